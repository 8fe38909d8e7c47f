"""Large binary bodies that do not come to their end, or may not."""

from __future__ import annotations

import socket
import struct
import threading
from pathlib import Path

import pytest

from pumice.service.access.keys import KeyStore
from pumice.service.access.types import KeyWish
from tests.bad_input.conftest import ROOT
from tests.bad_input.large import BIG, INFER, answers, head_of, is_right, request
from tests.bad_input.raw import Raw, memory_of, post
from tests.support.server import RunningServer
from tests.support.wire import until

MOST = 64 * 1024 * 1024


def known_or_new(raw: Raw, *, known: bool) -> None:
    """Let the server see the head before, or not."""
    if known:
        raw.send(request(1))
        assert is_right(raw.read(), 1)


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("part", [0, 100, 9_000, 300_000])
def test_cut_off_in_the_middle(small: RunningServer, part: int, *, known: bool) -> None:
    """By an end or by a reset; neither leaves anything behind: all budgets of the server would be used up."""
    sent = request(2)
    for turn in range(20):
        with Raw(small.url) as raw:
            known_or_new(raw, known=known and turn == 0)
            raw.send(sent[: head_of(sent) + part])
            if turn % 2:
                raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                raw.socket.shutdown(socket.SHUT_WR)
                assert raw.closed()
    assert answers(small.url)


@pytest.mark.parametrize("known", [False, True])
def test_a_body_that_stalls(small: RunningServer, *, known: bool) -> None:
    sent = request(2)
    with Raw(small.url) as raw:
        known_or_new(raw, known=known)
        raw.send(sent[: head_of(sent) + 200_000])
        answer = raw.read()
        assert (answer.status, answer.headers["content-type"]) == (408, "application/json")
        assert raw.closed()
    assert answers(small.url)


def test_told_and_not_sent_takes_no_memory(server: RunningServer) -> None:
    """Forty callers tell of 60 MB each and send a little of it."""
    before = memory_of(server.addresses.pid)
    many = [Raw(server.url) for _ in range(40)]
    try:
        for raw in many:
            raw.send(post(INFER, bytes(300_000), "Inference-Header-Content-Length: 1", length=60_000_000))
        assert answers(server.url)
        assert memory_of(server.addresses.pid) - before < 40_000_000
    finally:
        for raw in many:
            raw.socket.close()


def test_what_was_told_and_not_sent_is_not_counted(small: RunningServer) -> None:
    """Five callers tell of 3.9 MB each, twice what the budget is; one step each is counted, and others go on."""
    many = [Raw(small.url) for _ in range(5)]
    try:
        for raw in many:
            raw.send(post(INFER, b"x", "Inference-Header-Content-Length: 1", length=3_900_000))
        assert answers(small.url)
    finally:
        for raw in many:
            raw.socket.close()


# -- refused while it still comes


def pour(raw: Raw, data: bytes) -> threading.Thread:
    """Send on and on, whatever the server says, as a caller does that reads only when all is sent."""
    thread = threading.Thread(target=raw.try_send, args=(data,))
    thread.start()
    return thread


def test_too_large(server: RunningServer) -> None:
    body = bytes(MOST + 1)
    with Raw(server.url) as raw:
        raw.send(request(1))
        assert is_right(raw.read(), 1)
        pouring = pour(raw, post(INFER, body, "Inference-Header-Content-Length: 1"))
        answer = raw.read()
        assert (answer.status, answer.headers["connection"]) == (413, "close")
        raw.socket.close()
        pouring.join()
    assert answers(server.url)


def test_no_room_for_it_in_the_middle(small: RunningServer) -> None:
    """Three have most of the budget; a fourth is refused at the step that does not fit, while it still sends."""
    part = bytes(2_900_000)
    with Raw(small.url) as one, Raw(small.url) as two, Raw(small.url) as three, Raw(small.url) as last:
        for raw in (one, two, three):
            raw.send(post(INFER, part, "Inference-Header-Content-Length: 1", length=3_900_000))
        pouring = pour(last, post(INFER, bytes(3_900_000), "Inference-Header-Content-Length: 1"))
        answer = last.read()
        assert (answer.status, answer.headers["connection"]) == (503, "close")
        assert answer.headers["retry-after"]
        pouring.join()
        assert last.closed()
    until(lambda: answers(small.url))


def test_without_a_key(tmp_path: Path) -> None:
    store = KeyStore.open(tmp_path)
    key = store.create(KeyWish(name="caller", scopes=["infer:big"]), "test").key
    store.close()
    with RunningServer(BIG, "--auth", "keys", home=tmp_path, cwd=ROOT) as locked, Raw(locked.url) as raw:
        for _ in range(2):
            raw.send(request(1))
            assert raw.read().status == 401
        for seed in range(3):
            raw.send(request(seed, f"Authorization: Bearer {key}"))
            assert is_right(raw.read(), seed)
        raw.send(request(1))
        assert raw.read().status == 401
