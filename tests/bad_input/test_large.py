"""Large binary bodies: the same answers, and the same refusals, whatever way and however far they come."""

from __future__ import annotations

import gzip
import signal
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest

from pumice.service.access.keys import KeyStore
from pumice.service.access.types import KeyWish
from tests.bad_input.conftest import ROOT
from tests.bad_input.raw import ROW, Answered, Raw, get, memory_of, post
from tests.support.certificates import certificate
from tests.support.images import described, image, pixels
from tests.support.server import RunningServer
from tests.support.wire import metric, until

INFER = "/v2/models/big/infer"
SMALL = "/v2/models/double/infer"
BIG = "big=tests.support.models:Big"
DOUBLE = "double=tests.support.models:Doubler"
MOST = 64 * 1024 * 1024


def request(seed: int, *headers: str, rows: int = 1) -> bytes:
    """A whole request with images of this seed."""
    text = described(rows)
    told = f"Inference-Header-Content-Length: {len(text)}"
    return post(INFER, text + image(seed, rows).tobytes(), told, *headers)


def is_right(answer: Answered, seed: int, rows: int = 1) -> bool:
    """Whether exactly these images came back."""
    assert answer.status == 200, answer.body[:500]
    came = pixels(answer.body, answer.headers["inference-header-content-length"])
    return bool(np.array_equal(came, image(seed, rows)))


def answers(url: str) -> bool:
    """Whether a large request is answered on a new connection."""
    with Raw(url) as raw:
        raw.send(request(1))
        answer = raw.read()
        return answer.status == 200 and is_right(answer, 1)


def head_of(sent: bytes) -> int:
    return sent.index(b"\r\n\r\n") + 4


# -- what comes is what is meant


WAYS: dict[str, Callable[[bytes], list[bytes]]] = {
    "in one piece": lambda sent: [sent],
    "the head first": lambda sent: [sent[: head_of(sent)], sent[head_of(sent) :]],
    "cut within the head": lambda sent: [sent[:20], sent[20:]],
    "a little of the body with the head": lambda sent: [sent[: head_of(sent) + 1], sent[head_of(sent) + 1 :]],
    "what one read takes with the head": lambda sent: [sent[:8192], sent[8192:]],
    "all but one byte": lambda sent: [sent[:-1], sent[-1:]],
    "in many pieces": lambda sent: [sent[at : at + 30_011] for at in range(0, len(sent), 30_011)],
}


@pytest.mark.parametrize("way", WAYS)
def test_however_it_is_cut(server: RunningServer, way: str) -> None:
    with Raw(server.url) as raw:
        for seed in range(3):  # the second time the head is known, and the connection expects a large body
            for part in WAYS[way](request(seed)):
                raw.send(part)
                raw.send()
            assert is_right(raw.read(), seed)


@pytest.mark.parametrize("rows", [1, 3, 8])
def test_of_any_size(server: RunningServer, rows: int) -> None:
    """Of more than one step of the budget too."""
    with Raw(server.url) as raw:
        for seed in range(2):
            raw.send(request(seed, rows=rows))
            assert is_right(raw.read(), seed, rows)


def test_large_and_small_in_turn(server: RunningServer) -> None:
    with Raw(server.url) as raw:
        for seed in range(4):
            raw.send(post(SMALL, ROW))
            assert raw.read().status == 200
            raw.send(request(seed))
            assert is_right(raw.read(), seed)
            raw.send(get("/v2"))
            assert raw.read().status == 200


def test_requests_right_behind_each_other(server: RunningServer) -> None:
    """Pipelined, large ones among small ones; they are answered in order."""
    sent = [request(1), post(SMALL, ROW), request(2), get("/v2/health/live"), request(3), request(3)]
    with Raw(server.url) as raw, ThreadPoolExecutor(1) as pool:
        for _ in range(2):
            sending = pool.submit(raw.send, b"".join(sent))
            read = [raw.read() for _ in sent]
            sending.result()
            assert [at for at, answer in enumerate(read) if answer.status == 200] == list(range(6))
            assert b'"y"' in read[1].body
            assert all(is_right(read[at], seed) for at, seed in ((0, 1), (2, 2), (4, 3), (5, 3)))


def test_behind_one_that_is_in_work(server: RunningServer, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    text = ROW[:-1] + b',"parameters":{"gate":"%b"}}' % str(gate).encode()
    with Raw(server.url) as raw, ThreadPoolExecutor(1) as pool:
        raw.send(post("/v2/models/gated/infer", text))
        until(lambda: metric(server.url, "pumice_inflight_requests", model="gated") == 1)
        sending = pool.submit(raw.send, request(5) + request(6))
        gate.touch()
        assert raw.read().status == 200
        assert is_right(raw.read(), 5)
        assert is_right(raw.read(), 6)
        sending.result()


@pytest.mark.parametrize(
    ("version", "header", "stays"), [("1.0", "", False), ("1.0", "keep-alive", True), ("1.1", "close", False)]
)
def test_whether_the_connection_stays(server: RunningServer, version: str, header: str, *, stays: bool) -> None:
    sent = request(7, *([f"Connection: {header}"] if header else [])).replace(b"HTTP/1.1", f"HTTP/{version}".encode())
    with Raw(server.url) as raw:
        for _ in range(2 if stays else 1):
            raw.send(sent)
            assert is_right(raw.read(), 7)
        assert stays or raw.closed()
    with Raw(server.url) as raw:
        raw.send(sent + post(SMALL, ROW))
        assert is_right(raw.read(), 7)
        assert raw.read().status == 200 if stays else raw.closed()


def test_the_body_is_asked_for_once(server: RunningServer) -> None:
    sent = request(8, "Expect: 100-continue")
    with Raw(server.url) as raw:
        for _ in range(2):
            raw.send(sent[: head_of(sent)])
            assert raw._until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue"
            raw.send(sent[head_of(sent) :])
            assert raw._until(b"\r\n").startswith(b"HTTP/1.1 200")
            raw._buffer = b"HTTP/1.1 200 OK\r\n" + raw._buffer
            assert is_right(raw.read(), 8)


def test_chunked_and_compressed(server: RunningServer) -> None:
    """These go the other way, on the same connection."""
    text = described()
    body = text + image(9).tobytes()
    told = f"Inference-Header-Content-Length: {len(text)}"
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(body[at : at + 99_999]), body[at : at + 99_999]) for at in range(0, len(body), 99_999))  # fmt: skip  # noqa: E501
    framed = f"POST {INFER} HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n{told}\r\n\r\n".encode()
    with Raw(server.url) as raw:
        for sent in (
            request(9),
            framed + chunks + b"0\r\n\r\n",
            post(INFER, gzip.compress(body, 1), told, "Content-Encoding: gzip"),
            request(9),
        ):
            raw.send(sent)
            assert is_right(raw.read(), 9)


def test_another_protocol_is_offered(server: RunningServer) -> None:
    with Raw(server.url) as raw:
        for seed in range(2):
            raw.send(request(seed, "Connection: Upgrade", "Upgrade: h2c"))
            assert is_right(raw.read(), seed)


@pytest.mark.parametrize("told", ["", "-1", "x", "999999999", "9" * 30, "602113"])
def test_a_wrong_length_of_its_text(server: RunningServer, told: str) -> None:
    body = described() + image(1).tobytes()
    with Raw(server.url) as raw:
        raw.send(post(INFER, body, f"Inference-Header-Content-Length: {told}"))
        answer = raw.read()
        assert answer.status == 400, answer.body
        raw.send(request(2))
        assert is_right(raw.read(), 2)


def test_raw_bytes_without_text(server: RunningServer) -> None:
    with Raw(server.url) as raw:
        for seed in range(2):
            raw.send(post(INFER, image(seed).tobytes(), "Inference-Header-Content-Length: 0"))
            assert is_right(raw.read(), seed)


def test_many_callers_at_once(server: RunningServer) -> None:
    """Batches of images that must not be mixed up."""

    def one(seed: int) -> bool:
        with Raw(server.url) as raw:
            right = True
            for turn in range(5):
                raw.send(request(100 * seed + turn))
                right &= is_right(raw.read(), 100 * seed + turn)
            return right

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(one, range(8)))


# -- what does not come to its end


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


# -- the server around it


def test_a_stop_in_the_middle() -> None:
    """It is read to its end and answered, and then the server ends."""
    with RunningServer(BIG, cwd=ROOT) as stopping, Raw(stopping.url) as raw:
        sent = request(3, "Expect: 100-continue")
        raw.send(sent[: head_of(sent)])
        assert raw._until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue"
        raw.send(sent[head_of(sent) : 300_000])
        stopping.process.send_signal(signal.SIGTERM)
        until(lambda: "stopping" in stopping.logged())
        raw.send(sent[300_000:])
        assert is_right(raw.read(), 3)
        assert raw.closed()
        assert stopping.stop() == 0


def test_several_fronts() -> None:
    with RunningServer(BIG, "--workers", "2", "--replicas", "2", cwd=ROOT) as many:

        def one(seed: int) -> bool:
            with Raw(many.url) as raw:
                raw.send(request(seed) + request(seed + 50))
                return is_right(raw.read(), seed) and is_right(raw.read(), seed + 50)

        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(one, range(8)))


class Sealed(Raw):
    """A connection within TLS."""

    def __init__(self, url: str, authority: Path) -> None:
        super().__init__(url)
        context = ssl.create_default_context(cafile=str(authority))
        self.socket = context.wrap_socket(self.socket, server_hostname="localhost")


def test_within_tls(tmp_path: Path) -> None:
    authority = certificate(tmp_path, "ca")
    own = certificate(tmp_path, "server", authority)
    file = tmp_path / "pumice.yaml"
    file.write_text("body_timeout: 1\nmin_rate: 1000000\nmax_body_bytes: 4000000\n", encoding="utf-8")
    settings = ("-f", str(file), "--tls-cert", str(own.cert), "--tls-key", str(own.key))
    with RunningServer(BIG, DOUBLE, *settings, cwd=ROOT) as server:
        for way in WAYS.values():
            with Sealed(server.url, authority.cert) as raw:
                for seed in range(2):
                    for part in way(request(seed)):
                        raw.send(part)
                    assert is_right(raw.read(), seed)
                    raw.send(post(SMALL, ROW))
                    assert raw.read().status == 200
        with Sealed(server.url, authority.cert) as raw:
            raw.send(request(1) + request(2, rows=3) + post(SMALL, ROW))
            assert is_right(raw.read(), 1)
            assert is_right(raw.read(), 2, 3)
            assert raw.read().status == 200
        with Sealed(server.url, authority.cert) as raw:
            raw.send(request(1)[:300_000])
            assert raw.read().status == 408
        for _ in range(3):
            with Sealed(server.url, authority.cert) as raw:
                raw.send(request(1)[:300_000])
        with Sealed(server.url, authority.cert) as raw:
            raw.send(post(INFER, b"x", "Inference-Header-Content-Length: 1", length=4_000_001))
            assert raw.read().status == 413
        with httpx.Client(verify=ssl.create_default_context(cafile=str(authority.cert))) as client:
            assert client.get(f"{server.url}/v2/health/live").status_code == 200
