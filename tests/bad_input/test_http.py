"""HTTP itself: what is no request, what is too large, and the order of answers."""

# ruff: noqa: E501 - the cases of a table read best on one line each

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.bad_input.cases import WORK_S
from tests.bad_input.raw import ROW, Raw, get, memory_of, post, work_of
from tests.support.server import RunningServer
from tests.support.wire import busy, metric, output, until
from tests.support.wire import infer as infer_once

INFER = "/v2/models/double/infer"
HOST = b"Host: test\r\n"


@dataclass(frozen=True)
class Case:
    """What is sent, and what must come back."""

    sent: bytes
    status: int
    stays: bool = False


def line(first: bytes, *headers: bytes, body: bytes = b"") -> bytes:
    return b"\r\n".join([first, *headers, b"", b""]) + body


INFER_LINE = f"POST {INFER} HTTP/1.1".encode()
CHUNKED = (INFER_LINE, b"Host: test", b"Transfer-Encoding: chunked")
CASES = {
    # framing: two readers must not see two different requests
    "length and chunks": Case(line(*CHUNKED, b"Content-Length: 3", body=b"0\r\n\r\n"), 400),
    "two lengths": Case(line(INFER_LINE, b"Host: test", b"Content-Length: 3", b"Content-Length: 4", body=b"abcd"), 400),
    "two equal lengths": Case(line(INFER_LINE, b"Host: test", b"Content-Length: 3", b"Content-Length: 3", body=b"abc"), 400),
    "a list of lengths": Case(line(INFER_LINE, b"Host: test", b"Content-Length: 3, 3", body=b"abc"), 400),
    "a signed length": Case(line(INFER_LINE, b"Host: test", b"Content-Length: +3", body=b"abc"), 400),
    "a negative length": Case(line(INFER_LINE, b"Host: test", b"Content-Length: -3"), 400),
    "a hexadecimal length": Case(line(INFER_LINE, b"Host: test", b"Content-Length: 0x3", body=b"abc"), 400),
    "an endless length": Case(line(INFER_LINE, b"Host: test", b"Content-Length: " + b"9" * 40), 400),
    "no length and no chunks": Case(line(INFER_LINE, b"Host: test"), 400, stays=True),
    "an unknown transfer coding": Case(line(INFER_LINE, b"Host: test", b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"), 501),
    "chunked twice": Case(line(*CHUNKED, b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"), 400),
    "a chunk without a size": Case(line(*CHUNKED, body=b"\r\nabc"), 400),
    "a chunk size that is no number": Case(line(*CHUNKED, body=b"zz\r\nabc"), 400),
    "a chunk size that overflows": Case(line(*CHUNKED, body=b"FFFFFFFFFFFFFFFFFF\r\nabc"), 400),
    "a negative chunk size": Case(line(*CHUNKED, body=b"-3\r\nabc"), 400),
    "a chunk longer than its size": Case(line(*CHUNKED, body=b"3\r\nabcdef\r\n0\r\n\r\n"), 400),
    "endless chunk extensions": Case(line(*CHUNKED, body=b"1;" + b"a" * 1_000_000), 400),
    "endless tiny chunks": Case(line(*CHUNKED, body=b"1\r\n \r\n" * 200_000), 400),
    "endless trailers": Case(line(*CHUNKED, body=b"2\r\n{}\r\n0\r\n" + b"a: b\r\n" * 100_000), 400),
    # heads
    "a folded header": Case(line(INFER_LINE, b"Host: test", b"X: a\r\n b"), 400),
    "a space before the colon": Case(line(INFER_LINE, b"Host: test", b"X : a"), 400),
    "a zero byte in a header": Case(line(INFER_LINE, b"Host: test", b"X: a\x00b"), 400),
    "a header without a colon": Case(line(INFER_LINE, b"Host: test", b"X"), 400),
    "a header without a name": Case(line(INFER_LINE, b"Host: test", b": a"), 400),
    "bare line feeds": Case(b"POST %b HTTP/1.1\nHost: test\n\n" % INFER.encode(), 400),
    "no host": Case(line(INFER_LINE, b"Content-Length: 2", body=b"{}"), 400),
    "two hosts": Case(line(INFER_LINE, b"Host: a", b"Host: b", b"Content-Length: 2", body=b"{}"), 400),
    "a header of 100 kB": Case(line(INFER_LINE, b"Host: test", b"X: " + b"a" * 100_000), 431),
    "an endless header": Case(b"POST / HTTP/1.1\r\nX: " + b"a" * 1_000_000, 431),
    "10,000 headers": Case(line(INFER_LINE, b"Host: test", *[b"a: b"] * 10_000), 431),
    "300 headers": Case(line(INFER_LINE, b"Host: test", *[b"a: b"] * 300), 431),
    "a target of 10 kB": Case(line(b"GET /" + b"a" * 10_000 + b" HTTP/1.1", b"Host: test"), 414),
    "an endless target": Case(b"GET /" + b"a" * 1_000_000, 431),
    # first lines
    "an unknown method": Case(line(b"FOO / HTTP/1.1", b"Host: test"), 501),
    "a method in lower case": Case(line(b"get / HTTP/1.1", b"Host: test"), 501),
    "HTTP/9.9": Case(line(b"GET / HTTP/9.9", b"Host: test"), 505),
    "HTTP/0.9": Case(b"GET /\r\n\r\n", 505),
    "the preface of HTTP/2": Case(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "a TLS handshake": Case(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    "noise": Case(bytes(range(128, 256)), 501),
    "a zero byte in the target": Case(line(b"GET /a\x00b HTTP/1.1", b"Host: test"), 400),
    "a byte beyond ASCII in the target": Case(line(b"GET /\xff HTTP/1.1", b"Host: test"), 400),
    "a space in the target": Case(line(b"GET /a b HTTP/1.1", b"Host: test"), 400),
    "CONNECT": Case(line(b"CONNECT example.org:80 HTTP/1.1", b"Host: example.org"), 501),
    # paths
    "an encoded zero byte": Case(post("/v2/models/a%00b/infer", ROW), 404, stays=True),
    "an encoded slash": Case(post("/v2/models/a%2Fdouble/infer", ROW), 404, stays=True),
    "dots": Case(post("/v2/models/../models/double/infer", ROW), 404, stays=True),
    "encoded dots": Case(get("/assets/%2e%2e%2f%2e%2e%2fconfig.py"), 404, stays=True),
    "dots in an asset": Case(get("/assets/../../config.py"), 404, stays=True),
    "encoded bytes that are no UTF-8": Case(post("/v2/models/%ff%fe/infer", ROW), 404, stays=True),
    "an encoding that is none": Case(post("/v2/models/%zz/infer", ROW), 404, stays=True),
    "nothing but slashes": Case(get("////"), 404, stays=True),
    # methods
    "GET of infer": Case(get(INFER), 405, stays=True),
    "DELETE of infer": Case(line(b"DELETE " + INFER.encode() + b" HTTP/1.1", b"Host: test"), 405, stays=True),
    "OPTIONS without CORS": Case(line(b"OPTIONS " + INFER.encode() + b" HTTP/1.1", b"Host: test", b"Origin: https://a", b"Access-Control-Request-Method: POST"), 405, stays=True),
    "OPTIONS of everything": Case(line(b"OPTIONS * HTTP/1.1", b"Host: test"), 404, stays=True),
    # what is right although it looks odd
    "an absolute target": Case(line(f"POST http://other.example{INFER} HTTP/1.1".encode(), b"Host: test", b"Content-Length: %d" % len(ROW), body=ROW), 200, stays=True),
    "an encoded name": Case(post("/v2/models/%64ouble/infer", ROW), 200, stays=True),
    "a query": Case(post(f"{INFER}?a=b", ROW), 200, stays=True),
    "an offer to speak HTTP/2": Case(post(INFER, ROW, "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"), 200, stays=True),
    "an offer to speak HTTP/2, with chunks": Case(line(*CHUNKED, b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", body=b"%x\r\n%b\r\n0\r\n\r\n" % (len(ROW), ROW)), 200, stays=True),
    "an offer to speak WebSocket": Case(get("/v2", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="), 200, stays=True),
    "chunks with extensions and trailers": Case(line(*CHUNKED, body=b"%x;a=b;c\r\n%b\r\n0\r\nx-request-id: no\r\n\r\n" % (len(ROW), ROW)), 200, stays=True),
    "empty lines before a request": Case(b"\r\n\r\n" + post(INFER, ROW), 200, stays=True),
    "expects that which there is not": Case(post(INFER, ROW, "Expect: everything"), 200, stays=True),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_sent_over_a_socket(server: RunningServer, case: Case) -> None:
    begun = work_of(server.addresses.pid)
    with Raw(server.url) as raw:
        raw.try_send(case.sent)
        answer = raw.read()
        assert (answer.status, work_of(server.addresses.pid) - begun < WORK_S) == (case.status, True), answer
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "server" not in answer.headers
        if case.status >= 400:
            told = json.loads(answer.body)
            assert told.get("error") or (told["detail"] and told["status"] == case.status)
            assert "Traceback" not in answer.body.decode()
        if case.stays:
            raw.send(get("/v2/health/live"))
            assert raw.read().status == 200
        else:
            assert answer.headers["connection"] == "close"
            assert raw.closed()


def test_head_has_the_headers_and_no_body(server: RunningServer) -> None:
    with Raw(server.url) as raw:
        raw.send(b"HEAD /v2 HTTP/1.1\r\nHost: test\r\n\r\n", get("/v2"))
        head, whole = raw.read("HEAD"), raw.read()
        assert (head.status, whole.status) == (200, 200)
        assert head.headers["content-length"] == whole.headers["content-length"] == str(len(whole.body))


# -- keep-alive and pipelining


def test_answers_come_in_the_order_of_their_requests(server: RunningServer, tmp_path: Path) -> None:
    held = json.loads(ROW) | {"parameters": {"gate": str(tmp_path / "gate")}}
    slow = post("/v2/models/gated/infer", json.dumps(held).encode(), "x-request-id: 0")
    quick = [post(INFER, ROW, f"x-request-id: {number}") for number in range(1, 20)]
    other = [get("/v2/models", f"x-request-id: {number}") for number in range(20, 40)]
    with Raw(server.url) as raw:
        raw.send(slow + b"".join(quick + other))
        raw.socket.settimeout(0.2)
        with pytest.raises(TimeoutError):
            raw.socket.recv(1)
        raw.socket.settimeout(20)
        (tmp_path / "gate").touch()
        answers = [raw.read() for _ in range(40)]
    assert [answer.headers["x-request-id"] for answer in answers] == [str(number) for number in range(40)]
    assert {answer.status for answer in answers} == {200}


def test_thousands_of_bad_requests_in_one_go(server: RunningServer) -> None:
    with Raw(server.url) as raw:
        raw.send(b"".join(post(INFER, b"{", f"x-request-id: {number}") for number in range(3000)))
        ids = [raw.read().headers["x-request-id"] for _ in range(3000)]
    assert ids == [str(number) for number in range(3000)]


def test_a_close_in_the_middle_ends_the_pipeline(server: RunningServer) -> None:
    with Raw(server.url) as raw:
        raw.send(post(INFER, ROW) + post(INFER, ROW, "Connection: close") + post(INFER, ROW))
        first, second = raw.read(), raw.read()
        assert (first.status, second.status) == (200, 200)
        assert "connection" not in first.headers
        assert second.headers["connection"] == "close"
        assert raw.closed()


@pytest.mark.parametrize("first", ["gated", "none"])
def test_what_is_no_request_is_refused_after_the_answers_before_it(
    server: RunningServer, tmp_path: Path, first: str
) -> None:
    held = json.loads(ROW) | {"parameters": {"gate": str(tmp_path / "gate")}}
    with Raw(server.url) as raw:
        raw.send(post(f"/v2/models/{first}/infer", json.dumps(held).encode()) + get("/v2") + b"\x00\x01\r\n\r\n")
        (tmp_path / "gate").touch()
        assert [raw.read().status for _ in range(3)] == [200 if first == "gated" else 404, 200, 501]
        assert raw.closed()


def test_a_bad_request_does_not_end_a_connection(server: RunningServer) -> None:
    with Raw(server.url) as raw:
        for body, status in ((b"{", 400), (ROW, 200), (b"", 400), (ROW, 200)):
            raw.send(post(INFER, body))
            assert raw.read().status == status


def test_http_1_0_closes_unless_it_asks_to_stay(server: RunningServer) -> None:
    head = f"POST {INFER} HTTP/1.0\r\nContent-Length: {len(ROW)}\r\n".encode()
    with Raw(server.url) as raw:
        raw.send(head + b"\r\n" + ROW)
        assert raw.read().headers["connection"] == "close"
        assert raw.closed()
    with Raw(server.url) as raw:
        for _ in range(2):
            raw.send(head + b"Connection: keep-alive\r\n\r\n" + ROW)
            answer = raw.read()
            assert (answer.status, answer.headers["connection"]) == (200, "keep-alive")


def test_the_body_is_asked_for_when_its_turn_comes(server: RunningServer) -> None:
    head = post(INFER, b"", "Expect: 100-continue", length=len(ROW))
    with Raw(server.url) as raw:
        raw.send(head)
        assert raw._until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue"
        raw.send(ROW)
        assert raw.read().status == 200
        raw.send(post("/v1/models/double:predict", b"", "Expect: 100-continue", length=25))
        assert raw._until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue"
        raw.send(b'{"instances":[[1,2,3,4]]}')
        assert raw.read().status == 200


def test_a_body_that_is_told_to_be_too_large_is_not_asked_for(server: RunningServer) -> None:
    with Raw(server.url) as raw:
        raw.send(post(INFER, b"", "Expect: 100-continue", length=100_000_000))
        answer = raw._until(b"\r\n")
        assert answer.startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize("path", [INFER, "/v1/models/double:predict", "/predict"])
def test_a_body_of_100_mb_is_refused_at_once(server: RunningServer, path: str) -> None:
    begun = time.monotonic()
    with Raw(server.url) as raw:
        raw.send(post(path, bytes(100_000), length=100_000_000))
        answer = raw.read()
        assert (answer.status, answer.headers["connection"]) == (413, "close")
        assert time.monotonic() - begun < 1.5
        assert b"100000000" in answer.body


@pytest.mark.parametrize("path", [INFER, "/v1/models/double:predict"])
def test_endless_chunks_are_cut_at_the_limit(small: RunningServer, path: str) -> None:
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    with Raw(small.url) as raw:
        raw.send(f"POST {path} HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        sent = 0
        while sent < 1000 and raw.try_send(chunk):
            sent += 1
        assert raw.read().status == 413


def test_a_body_that_nobody_reads_does_not_go_on_for_ever(small: RunningServer) -> None:
    with Raw(small.url) as raw:
        raw.send(b"GET /v2 HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        assert raw.read().status == 200
        sent = 0
        while sent < 10_000 and raw.try_send(chunk):
            sent += 1
        assert sent < 10_000


# -- half-closed and gone


@pytest.mark.parametrize("path", [INFER, "/v1/models/double:predict"])
def test_a_half_closed_caller_gets_its_answer(server: RunningServer, path: str) -> None:
    body = ROW if path == INFER else b'{"instances":[[1,2,3,4]]}'
    with Raw(server.url) as raw:
        raw.send(post(path, body) + post(path, body))
        raw.socket.shutdown(1)
        assert [raw.read().status, raw.read().status] == [200, 200]
        assert raw.closed()


def test_half_closed_while_its_model_works(server: RunningServer, tmp_path: Path) -> None:
    held = json.loads(ROW) | {"parameters": {"gate": str(tmp_path / "gate")}}
    with Raw(server.url) as raw:
        raw.send(post("/v2/models/gated/infer", json.dumps(held).encode()))
        raw.socket.shutdown(1)
        assert raw._until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue"  # it is asked whether it is still there
        (tmp_path / "gate").touch()
        assert raw.read().status == 200
        assert raw.closed()


def test_a_request_that_is_cut_off_is_forgotten(server: RunningServer) -> None:
    with Raw(server.url) as raw:
        raw.send(post(INFER, ROW[:20], length=len(ROW)))
        raw.socket.shutdown(1)
        assert raw.closed()


def test_a_caller_that_is_gone_takes_its_waiting_work_along(server: RunningServer, tmp_path: Path) -> None:
    with busy(server.url, "gated", tmp_path / "gate"):
        with Raw(server.url) as raw:
            raw.send(post("/v2/models/gated/infer", ROW) + post("/v2/models/gated/infer", ROW))
            until(lambda: metric(server.url, "pumice_queue_depth", model="gated") == 1)
        until(lambda: metric(server.url, "pumice_queue_depth", model="gated") == 0)


# -- all of it together


def all_at_once(url: str) -> Iterable[Raw]:
    for case in CASES.values():
        raw = Raw(url)
        raw.try_send(case.sent)
        yield raw


def test_memory_stays_where_it_was(server: RunningServer) -> None:
    """Everything in this file, several times, leaves the front's memory bounded and the server healthy."""
    pid = server.addresses.pid

    def round_of_everything() -> None:
        connections = list(all_at_once(server.url))
        for raw in connections:
            raw.read()
            raw.socket.close()

    for _ in range(3):
        round_of_everything()
    before = memory_of(pid)
    for _ in range(10):
        round_of_everything()
    assert memory_of(pid) - before < 20_000_000
    assert output(infer_once(server.url, "double")) == [2, 4, 6, 8]
    assert httpx.get(f"{server.url}/v2/health/ready").status_code == 200
    assert "Traceback" not in server.logged()
