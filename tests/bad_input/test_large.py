"""Large binary bodies: the same answers, and the same refusals, whatever way and however far they come."""

from __future__ import annotations

import gzip
import signal
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.bad_input.conftest import ROOT
from tests.bad_input.large import BIG, INFER, head_of, is_right, request
from tests.bad_input.raw import ROW, Raw, get, post
from tests.support.certificates import certificate
from tests.support.images import described, image
from tests.support.server import RunningServer
from tests.support.wire import metric, until

SMALL = "/v2/models/double/infer"
DOUBLE = "double=tests.support.models:Doubler"


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


def page_faults(pid: int) -> int:
    """Times that the system gave a process a page of memory."""
    return int(Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[7])


def test_memory_is_used_again(server: RunningServer) -> None:
    """A body takes 147 pages. They are not given back and taken anew for each, also not of eight at a time."""
    sent = request(4)

    def several(raw: Raw) -> None:
        for _ in range(10):
            raw.send(sent)
            assert is_right(raw.read(), 4)

    connections = [Raw(server.url) for _ in range(8)]
    with ThreadPoolExecutor(len(connections)) as pool:
        list(pool.map(several, connections))
        before = page_faults(server.addresses.pid)
        list(pool.map(several, connections))
        after = page_faults(server.addresses.pid)
    for raw in connections:
        raw.socket.close()
    assert after - before < 80 * 147 / 4


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
