"""Callers that go away, break off, or send what cannot be: nobody else notices."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from tests.faults.conftest import ROOT, Fault
from tests.support.server import RunningServer
from tests.support.wire import body, busy, infer, metric, output, until

GROUP = "From a caller"


@pytest.fixture(scope="module")
def gated() -> Iterator[RunningServer]:
    with RunningServer("m=tests.support.models:Turns", cwd=ROOT) as server:
        yield server


def connection(server: RunningServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=60)


def request(content: bytes | None = None, *, headers: bytes = b"") -> bytes:
    payload = json.dumps(body()).encode() if content is None else content
    length = b"Content-Length: %d\r\n" % len(payload) if b"ransfer-" not in headers else b""
    return b"POST /v2/models/m/infer HTTP/1.1\r\nHost: here\r\n" + length + headers + b"\r\n" + payload


def answer_of(sock: socket.socket) -> bytes:
    """All that comes until the server closes or the first answer is whole."""
    data = b""
    while True:
        more = sock.recv(65536)
        data += more
        head, found, rest = data.partition(b"\r\n\r\n")
        length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line[:15] == b"content-length:"), 0)
        if not more or (found and len(rest) >= length):
            return data


def test_a_caller_goes_away_while_it_waits(gated: RunningServer, fault: Fault, tmp_path: Path) -> None:
    fault.is_that(
        "It closes the connection while its request waits", happens="The request is never run", caller="-", group=GROUP
    )
    with busy(gated.url, "m", tmp_path / "gate"):
        sock = connection(gated)
        sock.sendall(request())
        until(lambda: metric(gated.url, "pumice_queue_depth", model="m") == 1)
        before = metric(gated.url, "pumice_batch_size_count", model="m")
        sock.close()
        until(lambda: metric(gated.url, "pumice_queue_depth", model="m") == 0)
    assert metric(gated.url, "pumice_batch_size_count", model="m") <= before + 1


def test_a_caller_goes_away_while_it_runs(gated: RunningServer, fault: Fault, tmp_path: Path) -> None:
    fault.is_that(
        "It closes the connection while its request runs", happens="The answer is thrown away", caller="-", group=GROUP
    )
    gate = tmp_path / "gate"
    with closing(connection(gated)) as sock:
        sock.sendall(request(json.dumps(body(parameters={"gate": str(gate)})).encode()))
        until(lambda: metric(gated.url, "pumice_inflight_requests", model="m") == 1)
    gate.touch()
    assert infer(gated.url, "m").status_code == 200


def test_a_caller_closes_its_half(gated: RunningServer, fault: Fault) -> None:
    fault.is_that(
        "It closes its half of the connection after the request", happens="It is answered", caller="200", group=GROUP
    )
    with closing(connection(gated)) as sock:
        sock.sendall(request())
        sock.shutdown(socket.SHUT_WR)
        # an interim answer may come before, by which the server finds out whether anybody is still there
        answer = answer_of(sock).removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n") or answer_of(sock)
        assert answer.startswith(b"HTTP/1.1 200")


def test_the_deadline_passes_while_it_waits(gated: RunningServer, fault: Fault, tmp_path: Path) -> None:
    fault.is_that(
        "Its deadline passes while its request waits", happens="It is answered then, and never run",
        caller="504, at its deadline", group=GROUP,
    )  # fmt: skip
    with busy(gated.url, "m", tmp_path / "gate"):
        answer = infer(gated.url, "m", headers={"x-timeout-ms": "200"})
    assert answer.status_code in {503, 504}


def test_the_deadline_passes_while_it_runs(gated: RunningServer, fault: Fault, tmp_path: Path) -> None:
    fault.is_that(
        "Its deadline passes while its request runs", happens="The answer is thrown away", caller="504", group=GROUP
    )
    gate = tmp_path / "gate"
    answer = infer(gated.url, "m", headers={"x-timeout-ms": "300"}, parameters={"gate": str(gate)})
    gate.touch()
    assert answer.status_code == 504
    assert infer(gated.url, "m").status_code == 200


def test_many_connections_that_say_nothing(gated: RunningServer, fault: Fault) -> None:
    fault.is_that("It opens 500 connections and says nothing", happens="Nothing", caller="-", group=GROUP)
    silent = [connection(gated) for _ in range(500)]
    try:
        assert infer(gated.url, "m").status_code == 200
    finally:
        for sock in silent:
            sock.close()


def test_many_requests_in_one_write(gated: RunningServer, fault: Fault) -> None:
    fault.is_that(
        "It sends 200 requests in one write (pipelining)",
        happens="Each is answered, in order",
        caller="200, 200 times",
        group=GROUP,
    )
    with closing(connection(gated)) as sock, ThreadPoolExecutor(1) as pool:
        sent = pool.submit(sock.sendall, request() * 200)
        data = b""
        while data.count(b"HTTP/1.1 200") < 200:
            more = sock.recv(65536)
            assert more, data[-500:]
            data += more
        sent.result()


class Wrong(NamedTuple):
    """Bytes that cannot be answered well."""

    what: str
    data: bytes
    status: int


def tensor_of(shape: list[int]) -> bytes:
    return json.dumps({"inputs": [{"name": "x", "datatype": "FP32", "shape": shape, "data": [1, 2, 3]}]}).encode()


def announced(size: int) -> bytes:
    return b"POST /v2/models/m/infer HTTP/1.1\r\nHost: here\r\nContent-Length: %d\r\n\r\n" % size


def chunked(body: bytes) -> bytes:
    return request(body, headers=b"Transfer-Encoding: chunked\r\n")


BINARY = b'{"inputs":[{"name":"x","datatype":"FP32","shape":[1,4],"parameters":{"binary_data_size":16}}]}'
CUT = request(BINARY + b"\0\0", headers=b"Inference-Header-Content-Length: %d\r\n" % len(BINARY))

WRONG = [
    Wrong("It sends noise instead of HTTP", b"\x16\x03\x01\x02\x00" * 50 + b"\r\n\r\n", 400),
    Wrong("It sends a body that is no JSON", request(b"{oops"), 400),
    Wrong("It sends JSON 100,000 levels deep", request(b'{"inputs":' + b"[" * 100_000), 400),
    Wrong("It sends a body that is no UTF-8", request(b'{"inputs": "\xff\xfe"}'), 400),
    Wrong("It announces a body of 1 GB", announced(1 << 30), 413),
    Wrong("It sends a chunk whose size is no number", chunked(b"zz\r\n"), 400),
    Wrong("It sends a header of 1 MB", request(headers=b"X: " + b"y" * 1_000_000 + b"\r\n"), 431),
    Wrong("It sends gzip that is none", request(b"no gzip", headers=b"Content-Encoding: gzip\r\n"), 400),
    Wrong("It sends a shape that overflows", request(tensor_of([1 << 62, 4])), 400),
    Wrong("It asks for a model that is not there", request().replace(b"/m/", b"/no/"), 404),
    Wrong("It sends another shape than the signature's", request(tensor_of([1, 3])), 422),
    Wrong("It says that more binary bytes follow than do", CUT, 400),
]


@pytest.mark.parametrize("wrong", WRONG, ids=[wrong.what for wrong in WRONG])
def test_bytes_that_cannot_be(wrong: Wrong, gated: RunningServer, fault: Fault) -> None:
    fault.is_that(wrong.what, happens="It is refused", caller=str(wrong.status), group=GROUP)
    with closing(connection(gated)) as sock:
        with suppress(BrokenPipeError, ConnectionResetError):  # refused before all was sent
            sock.sendall(wrong.data)
        assert answer_of(sock).split(b" ", 2)[1] == b"%d" % wrong.status
    with httpx.Client() as client:
        assert client.post(f"{gated.url}/v2/models/m/infer", json=body(), timeout=60).status_code == 200
    assert len(output(infer(gated.url, "m"))) == 4
