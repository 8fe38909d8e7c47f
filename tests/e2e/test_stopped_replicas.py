"""Streams in the sandbox that is on by default, and replicas that are stopped while streams or fronts wait for them."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from pumice import Client
from tests.e2e.test_streams import GrpcStream, count, events
from tests.support.server import RunningServer
from tests.support.wire import infer, metric, output, until

SILENCE_S = 1.0
FOUND_WITHIN_S = SILENCE_S + 6.0  # 2 s at least for one that takes no note, and room for a busy machine
SETTINGS = f"""
stream_timeout: {SILENCE_S:g}
timeout: 1
models:
  - {{name: counter, source: 'tests.support.models:Counter'}}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    file = tmp_path_factory.mktemp("sandboxed") / "pumice.yaml"
    file.write_text(SETTINGS, encoding="utf-8")
    with RunningServer("-f", str(file)) as running:
        yield running


def stop_replica(server: RunningServer) -> int:
    """Stop the only replica and return its process id."""
    [pid] = server.replicas()
    os.kill(pid, signal.SIGSTOP)
    return pid


# -- in the sandbox


def test_parts_come_out_of_the_sandbox(server: RunningServer, tmp_path: Path) -> None:
    assert [event["i"] for event in events(server, "counter", {"n": 40})] == list(range(40))
    with Client(server.url) as client:
        assert [int(part["i"][0]) for part in client.stream("counter", {"n": np.array([3])})] == [0, 1, 2]
    with GrpcStream(server.grpc) as stream:
        stream.client.async_stream_infer("counter", count(2))
        assert [int(stream.next()[0].as_numpy("i")[0]) for _ in range(2)] == [0, 1]
    mark = tmp_path / "mark"
    url = f"{server.url}/v2/models/counter/generate_stream"
    assert "PermissionError" in httpx.post(url, json={"n": 2, "progress": str(mark)}).text, "it really is confined"
    assert not mark.exists()


def test_what_ends_a_stream_ends_it_in_the_sandbox_too(server: RunningServer) -> None:
    *parts, last = events(server, "counter", {"n": 3, "fail": True})
    assert [part["i"] for part in parts] == [0, 1]
    assert "no further" in last["error"]
    *_, last = events(server, "counter", {"n": 3, "die": True})
    assert "died in the middle" in last["error"]
    *_, last = events(server, "counter", {"n": 2, "hang": True})
    assert "time limit of 1 s" in last["error"]
    with httpx.stream("POST", f"{server.url}/v2/models/counter/generate_stream", json={"n": 10**9}) as answer:
        next(answer.iter_lines())
    until(lambda: metric(server.url, "pumice_inflight_requests", model="counter") == 0)
    assert len(events(server, "counter", {"n": 2})) == 2


# -- stopped


def test_a_stream_that_a_stopped_replica_never_begins_is_run_on_its_successor(server: RunningServer) -> None:
    pid = stop_replica(server)
    begun = time.monotonic()
    assert [event["i"] for event in events(server, "counter", {"n": 3})] == [0, 1, 2]
    assert time.monotonic() - begun < FOUND_WITHIN_S
    assert not Path(f"/proc/{pid}").exists()
    assert "replica takes no calls" in server.logged()


def test_a_deadline_ends_the_wait_for_a_stopped_replica(server: RunningServer) -> None:
    pid = stop_replica(server)
    url = f"{server.url}/v2/models/counter/generate_stream"
    answer = httpx.post(url, json={"n": 3}, headers={"x-timeout-ms": "200"}, timeout=60)
    assert answer.status_code == 504
    until(lambda: not Path(f"/proc/{pid}").exists())
    assert len(events(server, "counter", {"n": 2})) == 2


@pytest.mark.parametrize("taken", [1, 1000])
def test_a_replica_that_is_stopped_between_parts(server: RunningServer, taken: int) -> None:
    """Its caller hears of it within the limit, and it is replaced, whether it or its caller had the next move."""
    url = f"{server.url}/v2/models/counter/generate_stream"
    with httpx.stream("POST", url, json={"n": 10**9}, timeout=60) as answer:
        lines = (line for line in answer.iter_lines() if line)
        for _ in range(taken):
            next(lines)
        pid = stop_replica(server)
        begun = time.monotonic()
        *_, last = lines
    assert "time limit of 1 s" in json.loads(last.removeprefix("data: "))["error"]
    assert time.monotonic() - begun < FOUND_WITHIN_S
    until(lambda: not Path(f"/proc/{pid}").exists())
    assert time.monotonic() - begun < FOUND_WITHIN_S
    assert len(events(server, "counter", {"n": 2})) == 2


def test_a_new_front_does_not_wait_for_ever_for_a_stopped_replica() -> None:
    """Nobody asks the model anything, so only the connection that is not answered shows it."""
    with RunningServer("double=tests.support.models:Doubler", "--workers", "2", "--timeout", "1") as server:
        pid = stop_replica(server)
        os.kill(server.fronts()[0], signal.SIGKILL)
        until(lambda: not Path(f"/proc/{pid}").exists())
        assert output(infer(server.url, "double")) == [2, 4, 6, 8]
        assert "replica does not answer" in server.logged()
        assert "replica takes no calls" in server.logged()
