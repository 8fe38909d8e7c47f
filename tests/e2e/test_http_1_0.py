"""Callers of HTTP/1.0: no chunks, and the end of an answer is the end of its connection."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.bad_input.raw import ROW, Raw
from tests.support.server import RunningServer

LIMIT_S = 30.0
INFER = "/v2/models/double/infer"
STREAM = "/v2/models/counter/generate_stream"


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    models = ("double=tests.support.models:Doubler", "counter=tests.support.models:Counter")
    with RunningServer(*models) as running:
        yield running


def exchange(server: RunningServer, method: str, path: str, body: bytes = b"", *headers: str) -> tuple[bytes, bytes]:
    """Head and body of an answer, all that comes until the server closes."""
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=LIMIT_S) as sock:
        length = (f"Content-Length: {len(body)}",) if method == "POST" else ()
        sock.sendall("\r\n".join([f"{method} {path} HTTP/1.0", *length, *headers, "", ""]).encode() + body)
        data = b""
        while more := sock.recv(65536):
            data += more
    head, _, rest = data.partition(b"\r\n\r\n")
    return head.lower(), rest


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", INFER, ROW, 200),
        ("POST", INFER, b"{", 400),
        ("POST", "/v1/models/double:predict", b'{"instances":[[1,2,3,4]]}', 200),
        ("POST", "/predict", b'{"model":"double","inputs":[]}', 422),
        ("GET", "/v2", b"", 200),
        ("GET", "/metrics", b"", 200),
        ("GET", "/openapi.json", b"", 200),
        ("GET", "/nowhere", b"", 404),
        ("POST", STREAM, b"{", 400),
    ],
)
@pytest.mark.parametrize("headers", [(), ("Connection: keep-alive",), ("Accept-Encoding: gzip",)])
def test_answers_have_a_length_and_no_chunks(
    server: RunningServer, method: str, path: str, body: bytes, status: int, headers: tuple[str, ...]
) -> None:
    if path == INFER and "Connection: keep-alive" in headers:
        return  # it stays open; `tests/bad_input` looks at that
    head, answer = exchange(server, method, path, body, *headers)
    assert head.startswith(b"http/1.1 %d" % status)
    assert b"transfer-encoding" not in head
    assert b"content-length: %d" % len(answer) in head
    assert b"connection: close" in head


@pytest.mark.parametrize("headers", [(), ("Connection: keep-alive",), ("Accept-Encoding: gzip",)])
def test_events_come_bare_and_end_with_the_connection(server: RunningServer, headers: tuple[str, ...]) -> None:
    head, answer = exchange(server, "POST", STREAM, b'{"n": 50}', *headers)
    assert head.startswith(b"http/1.1 200")
    assert b"content-type: text/event-stream" in head
    assert b"transfer-encoding" not in head
    assert b"content-length" not in head
    assert b"connection: close" in head
    told = [json.loads(event.removeprefix(b"data: ")) for event in answer.split(b"\n\n") if event]
    assert [event["i"] for event in told] == list(range(50))


def test_events_come_one_by_one(server: RunningServer) -> None:
    with Raw(server.url) as raw:
        body = b'{"n": 1000000000}'
        raw.send(f"POST {STREAM} HTTP/1.0\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        raw._until(b"\r\n\r\n")
        assert raw._until(b"\n\n").startswith(b"data: {")


def test_an_error_later_is_the_last_event(server: RunningServer) -> None:
    _, answer = exchange(server, "POST", STREAM, b'{"n": 3, "fail": true}')
    *parts, last = [event for event in answer.split(b"\n\n") if event]
    assert len(parts) == 2
    assert b"no further" in last


def test_a_caller_of_http_1_1_still_gets_chunks(server: RunningServer) -> None:
    with Raw(server.url) as raw:
        body = b'{"n": 2}'
        head = f"POST {STREAM} HTTP/1.1\r\nHost: test\r\nContent-Length: {len(body)}\r\n\r\n"
        for _ in range(2):
            raw.send(head.encode() + body)
            answer = raw.read()
            assert answer.headers["transfer-encoding"] == "chunked"
            assert answer.body.count(b"data: ") == 2


def test_chunks_in_a_request_are_refused(server: RunningServer) -> None:
    """RFC 9112, 6.1: such a message is faulty."""
    with Raw(server.url) as raw:
        raw.send(
            f"POST {INFER} HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
            + b"%x\r\n%b\r\n0\r\n\r\n" % (len(ROW), ROW)
        )
        assert raw.read().status == 400
        assert raw.closed()
