"""Callers that are slow, silent, too many, or that take no answers; on a server with small limits."""

# ruff: noqa: E501 - requests read best on one line each

from __future__ import annotations

import socket
import time
from contextlib import ExitStack

import httpx
import numpy as np
import pytest

from tests.bad_input.raw import ROW, Raw, get, memory_of, post
from tests.support.server import RunningServer
from tests.support.wire import infer, output, until

INFER = "/v2/models/double/infer"
PREDICT = "/v1/models/double:predict"
BIG = b'{"inputs":[{"name":"image","shape":[1,3,224,224],"datatype":"FP32","parameters":{"binary_data_size":602112}}],"parameters":{"binary_data_output":true}}'


def drip(raw: Raw, data: bytes) -> None:
    """Send a byte now and then until the server has had enough."""
    raw.socket.settimeout(0.1)
    for byte in data:
        if not raw.try_send(bytes([byte])):
            break
        try:
            if raw.socket.recv(1, socket.MSG_PEEK):
                break
        except TimeoutError:
            continue
    raw.socket.settimeout(20)


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"GET / HTTP/1.1\r\nX: " + b"a" * 1000, id="head"),
        pytest.param(b"G" + b"E" * 1000, id="first line"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\n" + b"a: b\r\n" * 200, id="headers"),
    ],
)
def test_a_head_that_comes_by_drops(small: RunningServer, sent: bytes) -> None:
    begun = time.monotonic()
    with Raw(small.url) as raw:
        drip(raw, sent)
        answer = raw.read()
        assert answer.status in {408, 501}
        assert raw.closed()
    assert time.monotonic() - begun < 8


@pytest.mark.parametrize("path", [INFER, PREDICT])
@pytest.mark.parametrize("framing", ["Content-Length: 500", "Transfer-Encoding: chunked"])
def test_a_body_that_comes_by_drops(small: RunningServer, path: str, framing: str) -> None:
    begun = time.monotonic()
    with Raw(small.url) as raw:
        raw.send(f"POST {path} HTTP/1.1\r\nHost: test\r\n{framing}\r\n\r\n".encode())
        drip(raw, b" " * 500 if "Length" in framing else b"1\r\n \r\n" * 100)
        assert raw.read().status == 408
        assert raw.closed()
    assert time.monotonic() - begun < 8


def test_a_silent_connection_is_closed(small: RunningServer) -> None:
    with Raw(small.url) as fresh, Raw(small.url) as used:
        used.send(post(INFER, ROW))
        assert used.read().status == 200
        assert fresh.closed()
        assert used.closed()


def test_one_that_takes_no_answers_is_cut_off(small: RunningServer) -> None:
    request = post("/v2/models/big/infer", BIG + bytes(602112), f"Inference-Header-Content-Length: {len(BIG)}")
    before = memory_of(small.addresses.pid)
    with Raw(small.url) as raw:
        raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.socket.settimeout(1)
        taken = 0
        while taken < 200 and raw.try_send(request):
            taken += 1
        assert taken < 200  # it stopped reading
        assert memory_of(small.addresses.pid) - before < 60_000_000
        raw.socket.settimeout(20)
        until(lambda: not raw.try_send(b"x"))


def test_too_many_connections(small: RunningServer) -> None:
    with ExitStack() as stack:
        many = [stack.enter_context(Raw(small.url)) for _ in range(60)]
        last = many[-1].read()
        assert (last.status, last.headers["retry-after"]) == (503, "1")
        assert many[-1].closed()
        many[0].send(get("/v2/health/live"))
        assert many[0].read().status == 200
    until(lambda: alive(small.url))


def test_bodies_cannot_take_all_memory(small: RunningServer) -> None:
    """Large ones are refused together; small ones go on."""
    part = bytes(1_500_000)
    with ExitStack() as stack:
        many = [stack.enter_context(Raw(small.url)) for _ in range(20)]
        for raw in many:
            raw.try_send(post(INFER, part, length=3_900_000))
        assert output(infer(small.url, "double")) == [2, 4, 6, 8]
        answers = [raw.read() for raw in many]
    refused = [answer for answer in answers if answer.status == 503]
    assert {answer.status for answer in answers} == {503, 408}
    assert len(refused) >= 10
    assert all(answer.headers["retry-after"] for answer in refused)
    assert b"10000000" in refused[0].body
    until(lambda: large(small.url) == 200)


def alive(url: str) -> bool:
    try:
        return httpx.get(f"{url}/v2/health/live").status_code == 200
    except httpx.TransportError:
        return False


def large(url: str) -> int:
    image = np.zeros((1, 3, 224, 224), np.float32).tobytes()
    headers = {"inference-header-content-length": str(len(BIG))}
    return httpx.post(f"{url}/v2/models/big/infer", content=BIG + image, headers=headers, timeout=30).status_code


# -- pages of other origins

ALLOWED = {"origin": "https://pages.example"}
OTHER = {"origin": "https://evil.example"}


@pytest.mark.parametrize("path", [INFER, "/v2"])
def test_only_named_origins_may_read(small: RunningServer, path: str) -> None:
    for headers, origin in ((ALLOWED, ALLOWED["origin"]), (OTHER, None), ({}, None)):
        for _ in range(2):  # the second time the head is known
            answer = httpx.request("POST" if path == INFER else "GET", f"{small.url}{path}", content=ROW if path == INFER else None, headers=headers)  # fmt: skip
            assert answer.status_code == 200
            assert answer.headers.get("access-control-allow-origin") == origin
            assert "origin" in answer.headers["vary"]


def test_a_preflight(small: RunningServer) -> None:
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "content-type, authorization"}
    granted = httpx.options(f"{small.url}{INFER}", headers=ALLOWED | asked)
    assert granted.status_code == 204
    assert granted.headers["access-control-allow-origin"] == ALLOWED["origin"]
    assert "POST" in granted.headers["access-control-allow-methods"]
    assert granted.headers["access-control-allow-headers"] == "content-type, authorization"
    refused = httpx.options(f"{small.url}{INFER}", headers=OTHER | asked)
    assert refused.status_code == 403
    assert "access-control-allow-origin" not in refused.headers
