"""The load generator against a small real server that misbehaves on request."""

import asyncio
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from pumice.client.load import LoadJob, LoadResult, run_load
from pumice.client.load.cpu import CpuMeter
from pumice.client.load.recorder import Recorder
from pumice.client.load.wire import AnswerParser, plain_body
from pumice.domain.errors import BadSetting

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
PLAIN = HEAD + b'Content-Length: 9\r\n\r\n{"y":[7]}'
CHUNKED = HEAD + b'Transfer-Encoding: chunked\r\n\r\n4\r\n{"y"\r\n5\r\n:[7]}\r\n0\r\n\r\n'
CLOSING = HEAD + b'Connection: close\r\nContent-Length: 9\r\n\r\n{"y":[7]}'
BUSY = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy"
ECHOED = (b"a", b"b", b"c", b"d", b"e", b"f")


def is_echo(index: int, answer: bytes) -> bool:
    """Runs in the generator: whether the answer is the body that it says it sent."""
    return answer == ECHOED[index]


class Server:
    """Answers by path; remembers what came."""

    def __init__(self) -> None:
        self.bodies: Counter[bytes] = Counter()
        self.heads: list[bytes] = []
        self.connections = 0
        self.answers: dict[str, list[bytes]] = {
            "/plain": [PLAIN],
            "/chunked": [CHUNKED],
            "/pieces": [PLAIN[:20], PLAIN[20:-3], PLAIN[-3:]],
            "/closing": [CLOSING],
            "/busy": [BUSY],
            "/later": [BUSY.replace(b"content", b"Retry-After: 7\r\ncontent")],
            "/continue": [b"HTTP/1.1 100 Continue\r\n\r\n" + PLAIN],
            "/twice": [PLAIN + PLAIN],
            "/garbage": [b"SSH-2.0-server\r\n\r\n"],
        }

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        body = await reader.readexactly(length)
        self.bodies[body] += 1
        path = head.split()[1].decode()
        if path == "/mute":
            return bool(await reader.read())  # until the client gives up
        if path == "/drop" and sum(self.bodies.values()) % 5 == 0:
            return False
        if path.startswith("/echo"):
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (length, body))
            return True
        for piece in self.answers.get(path, [PLAIN]):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        return path != "/closing"


def drive(path: str, server: Server | None = None, **fields: Any) -> LoadResult:
    """Run a job against a server of ours."""
    ours = server or Server()

    async def both() -> LoadResult:
        async with await asyncio.start_server(ours.serve, "127.0.0.1", 0) as listening:
            port = listening.sockets[0].getsockname()[1]
            job = msg_job(f"http://127.0.0.1:{port}{path}", fields)
            return await asyncio.to_thread(run_load, job)

    return asyncio.run(both())


def msg_job(url: str, fields: dict[str, object]) -> LoadJob:
    return msgspec.convert({"url": url, **fields}, LoadJob)


@pytest.mark.parametrize("path", ["/plain", "/chunked", "/pieces", "/closing", "/continue"])
def test_exact_count_of_right_answers(path: str) -> None:
    server = Server()
    result = drive(path, server, requests=60, connections=3, expect='"y"', bodies=[b"a", b"b", b"c"])
    assert result.requests == 60
    assert result.failures == {}
    assert server.bodies == {b"a": 20, b"b": 20, b"c": 20}
    assert sum(bucket.count for bucket in result.histogram) == 60
    assert 0 < result.latency.p50_ms <= result.latency.p99_ms <= result.latency.max_ms
    assert result.requests_per_second == pytest.approx(60 / result.seconds)
    assert result.server_cpu_seconds is None


def test_keeps_connections_open_and_sends_headers() -> None:
    server = Server()
    drive("/plain?a=1", server, requests=50, connections=4, headers={"x-key": "k", "Host": "ignored"})
    assert server.connections == 4
    assert server.heads[0].startswith(b"POST /plain?a=1 HTTP/1.1\r\nhost: 127.0.0.1:")
    assert b"x-key: k\r\n" in server.heads[0]
    assert b"ignored" not in server.heads[0]


def test_paths_take_turns_with_the_right_bodies() -> None:
    server = Server()
    paths = [f"/echo/{number}" for number in range(4)]
    result = drive(
        "/mute", server, requests=48, connections=3, paths=paths, bodies=ECHOED, check="tests.client.test_load:is_echo"
    )
    assert (result.requests, result.failures) == (48, {})
    assert server.bodies == dict.fromkeys(ECHOED, 8)
    asked = Counter(head.split()[1].decode() for head in server.heads)
    assert asked == dict.fromkeys(paths, 12)


def test_time_window_after_warm_up() -> None:
    result = drive("/plain", seconds=0.3, warmup_seconds=0.1, connections=2)
    assert result.requests > 0
    assert result.seconds == pytest.approx(0.3, abs=0.2)
    assert result.failed == 0
    assert result.generator_cpu_ms_per_request > 0


@pytest.mark.parametrize(
    ("path", "fields", "kind"),
    [
        ("/busy", {}, "status 503"),
        ("/plain", {"expect": "no such text"}, "wrong answer"),
        ("/plain", {"check": "builtins:divmod"}, "wrong answer"),  # raises
        ("/plain", {"check": "operator:eq"}, "wrong answer"),  # index == answer
        ("/twice", {}, "protocol"),
        ("/garbage", {}, "protocol"),
        ("/mute", {"timeout": 0.1}, "timeout"),
    ],
)
def test_failures_are_told_apart(path: str, fields: dict[str, Any], kind: str) -> None:
    result = drive(path, requests=6, connections=2, **fields)
    assert result.failures == {kind: 6}
    assert result.requests == 0
    assert result.failure_examples[0].startswith(kind)
    assert result.latency.max_ms == 0


def test_dropped_connections_fail_and_are_replaced() -> None:
    result = drive("/drop", requests=50, connections=1)
    assert (result.requests, result.failures) == (40, {"closed": 10})


def test_check_by_name() -> None:
    result = drive("/plain", requests=20, check="operator:ne", check_every=3)  # index != answer
    assert (result.requests, result.failures) == (20, {})


def test_every_request_is_kept_on_demand() -> None:
    fields: dict[str, Any] = {"requests": 300, "connections": 3}
    assert drive("/plain", **fields).outcomes == ()
    right = drive("/plain", **fields, keep=True)
    assert {(outcome.problem, outcome.retry_after) for outcome in right.outcomes} == {("", "")}
    assert max(outcome.seconds for outcome in right.outcomes) * 1000 == pytest.approx(right.latency.max_ms)
    later = drive("/", **fields, keep=True, paths=["/later", "/busy", "/later"], warmup_seconds=0.1)
    kinds = Counter((outcome.problem, outcome.retry_after) for outcome in later.outcomes)
    assert kinds == {("status 503", "7"): 200, ("status 503", ""): 100}
    assert all(0 <= outcome.at <= later.seconds and outcome.seconds > 0 for outcome in later.outcomes)
    dropped = drive("/drop", requests=50, keep=True)
    assert Counter(outcome.problem for outcome in dropped.outcomes) == {"": 40, "closed": 10}


def test_nobody_listens() -> None:
    async def free_port() -> int:
        async with await asyncio.start_server(Server().serve, "127.0.0.1", 0) as listening:
            return int(listening.sockets[0].getsockname()[1])

    result = run_load(LoadJob(url=f"http://127.0.0.1:{asyncio.run(free_port())}/", requests=3))
    assert result.failures == {"connect": 3}


def test_open_loop_sends_at_its_rate() -> None:
    result = drive("/plain", requests=100, connections=8, rate=400.0)
    assert (result.requests, result.failures) == (100, {})
    assert result.seconds > 0.1  # 100 requests at 400 a second fall due over about 0.25 s


def test_open_loop_shows_the_queue_of_a_slow_server() -> None:
    result = drive("/mute", seconds=0.3, timeout=0.15, connections=1, rate=200.0)
    assert result.requests == 0
    assert result.failures["timeout"] >= 1
    assert result.failures["unsent"] >= 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("url", "ftp://x/"),
        ("connections", 0),
        ("seconds", 0.0),
        ("rate", -1.0),
        ("bodies", []),
        ("check", "no.such.module:f"),
        ("check", "json:nothing"),
        ("headers", {"a": "b\r\nc: d"}),
        ("paths", ["/a", "b"]),
        ("paths", ["/a b"]),
    ],
)
def test_wrong_jobs_name_the_field(field: str, value: object) -> None:
    job = msg_job("http://127.0.0.1:9/", {field: value} if field != "url" else {})
    if field == "url":
        job = LoadJob(url=str(value))
    with pytest.raises(BadSetting, match=field):
        run_load(job)


BURN = """
import os, sys, time
def burn(seconds):
    until = time.process_time() + seconds
    while time.process_time() < until: pass
print("ready", flush=True)
for line in sys.stdin:
    child = os.fork()
    if not child:
        burn(0.2)
        os._exit(0)
    os.waitpid(child, 0)
    burn(0.1)
    print("done", flush=True)
"""


def test_cpu_of_a_tree_counts_children_that_ended() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", BURN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdout.readline()
        meter = CpuMeter((server.pid,))
        assert meter.seconds() < 0.05
        server.stdin.write("go\n")
        server.stdout.readline()
        assert 0.28 <= meter.seconds() < 0.5
        server.stdin.close()


def test_server_cpu_per_request() -> None:
    result = drive("/plain", requests=200, pids=[os.getpid()])
    assert result.server_cpu_seconds is not None
    assert result.server_cpu_ms_per_request == pytest.approx(1000 * result.server_cpu_seconds / 200)
    assert result.server_cpu_seconds > 0


def test_percentiles_hold_to_a_fifth_of_a_percent() -> None:
    recorder = Recorder()
    recorder.measuring = True
    latencies = np.random.default_rng(1).lognormal(-7, 1.0, 20_000)
    for latency in latencies:
        recorder.answer(float(latency))
    found = recorder.latency()
    assert recorder.answers == 20_000
    for value, rank in ((found.p50_ms, 50), (found.p90_ms, 90), (found.p99_ms, 99), (found.p99_9_ms, 99.9)):
        exact = 1000 * float(np.sort(latencies)[int(np.ceil(rank * 200)) - 1])
        assert value == pytest.approx(exact, rel=2e-3)
    assert found.max_ms == pytest.approx(1000 * float(latencies.max()))
    assert found.mean_ms == pytest.approx(1000 * float(latencies.mean()))
    edges = [bucket.upto_ms for bucket in recorder.histogram()]
    assert edges == sorted(edges)


@pytest.mark.parametrize(
    "answer",
    [
        PLAIN + b"x",
        PLAIN[:-1],
        CHUNKED,
        CLOSING,
        BUSY,
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: +9\r\n\r\n123456789",
    ],
)
def test_short_cut_leaves_everything_unusual_to_the_parser(answer: bytes) -> None:
    assert plain_body(answer) is None


@pytest.mark.parametrize("cut", [lambda data: [data], lambda data: [data[i : i + 1] for i in range(len(data))]])
def test_parser_reads_any_pieces(cut: Callable[[bytes], list[bytes]]) -> None:
    for data, keep in ((PLAIN, True), (CHUNKED, True), (CLOSING, False)):
        parser = AnswerParser()
        for piece in cut(data):
            parser.feed(piece)
        assert (parser.complete, parser.status, parser.body, parser.keep) == (1, 200, b'{"y":[7]}', keep)
    assert plain_body(PLAIN) == b'{"y":[7]}'
