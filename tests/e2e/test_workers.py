"""Several front processes on one port: each serves all, and they count as one."""

from __future__ import annotations

import os
import select
import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2 as health

from tests.support.load import DOUBLER, kill_replicas_under_load, load
from tests.support.server import RunningServer
from tests.support.wire import body, infer, metric, output, until

ROOT = Path(__file__).parents[2]
CHECK = "/grpc.health.v1.Health/Check"


@pytest.fixture
def server() -> Iterator[RunningServer]:
    """Two fronts over two replicas."""
    with RunningServer(DOUBLER, "--workers", "2", "--replicas", "2", "--timeout", "1", cwd=ROOT) as running:
        yield running


def connections_of(pid: int) -> int:
    """Established TCP connections of a process."""
    inodes = {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()}
    table = Path(f"/proc/{pid}/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    return sum(f"socket:[{line.split()[9]}]" in inodes and line.split()[3] == "01" for line in table)


def test_connections_are_spread_evenly(server: RunningServer) -> None:
    clients = [httpx.Client(base_url=server.url, timeout=60) for _ in range(8)]
    try:
        for client in clients:
            assert output(client.post("/v2/models/double/infer", json=body())) == [2, 4, 6, 8]
        assert [connections_of(pid) for pid in server.fronts()] == [4, 4]
    finally:
        for client in clients:
            client.close()


def test_every_front_tells_the_counts_of_all(server: RunningServer) -> None:
    for _ in range(10):  # each on a connection of its own, so on one front after the other
        assert infer(server.url, "double").status_code == 200
    for _ in range(2):
        assert metric(server.url, "pumice_requests_total", code="200") == 10
        assert metric(server.url, "pumice_request_seconds_count") == 10
        assert metric(server.url, "pumice_replicas", state="ready") == 2
        told = httpx.get(f"{server.url}/v2/models/double/stats", timeout=60).json()
        assert told["model_stats"][0]["inference_count"] == 10
        (overview,) = httpx.get(server.url, timeout=60).json()["models"]
        assert overview["requests"] == 10


def test_every_front_is_ready_and_says_so(server: RunningServer) -> None:
    for _ in range(4):
        assert httpx.get(f"{server.url}/v2/health/ready", timeout=60).json() == {"ready": True}
        assert httpx.get(f"{server.url}/v2/models/double/ready", timeout=60).status_code == 200
    for number in range(4):
        # a connection of its own each, which the system gives to one of the fronts
        with grpc.insecure_channel(server.grpc, [("grpc.use_local_subchannel_pool", 1), ("n", number)]) as channel:
            answer = channel.unary_unary(CHECK, bytes, bytes)(b"", timeout=30)
            assert health.HealthCheckResponse.FromString(answer).status == health.HealthCheckResponse.SERVING


def test_a_front_that_is_killed_is_started_again_and_takes_only_its_own_along(server: RunningServer) -> None:
    victim, other = server.fronts()
    with httpx.Client(base_url=server.url, timeout=60) as one, httpx.Client(base_url=server.url, timeout=60) as two:
        for client in (one, two):
            assert output(client.post("/v2/models/double/infer", json=body())) == [2, 4, 6, 8]
        assert metric(server.url, "pumice_requests_total", code="200") == 2
        os.kill(victim, signal.SIGKILL)
        outcomes: Counter[bool] = Counter()
        for client in (one, two):
            try:
                outcomes[output(client.post("/v2/models/double/infer", json=body())) == [2, 4, 6, 8]] += 1
            except httpx.TransportError:
                outcomes[False] += 1
        assert outcomes[True] >= 1
    until(lambda: len(server.fronts()) == 2 and "front serves" in server.logged().split("front ended")[-1])
    assert other in server.fronts()
    # what it had counted was told before, and stays
    assert metric(server.url, "pumice_requests_total", code="200") >= 3
    assert metric(server.url, "pumice_replica_restarts_total") == 0
    for _ in range(4):
        assert output(infer(server.url, "double")) == [2, 4, 6, 8]


def test_killed_replicas_lose_nothing_under_load(server: RunningServer) -> None:
    right, failures = kill_replicas_under_load(server, 2)
    assert not failures
    assert right > 100


def test_stopping_under_load_answers_all_that_it_took(server: RunningServer) -> None:
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(load, server, 3.0)
        until(lambda: metric(server.url, "pumice_requests_total", code="200") > 100)
        processes = [*server.fronts(), *server.replicas()]
        assert server.stop() == 0
        result = loading.result()
    assert set(result.failures) <= {"connect"}
    assert result.requests > 100
    assert not [pid for pid in processes if Path(f"/proc/{pid}").exists()]


def test_all_end_with_a_killed_parent(server: RunningServer) -> None:
    watched = [os.pidfd_open(pid) for pid in (*server.fronts(), *server.replicas())]
    assert len(watched) == 4
    server.kill()
    for fd in watched:
        assert select.select([fd], [], [], 20)[0], "a process outlived its parent"
        os.close(fd)


def test_who_waits_behind_another_fronts_hang_is_answered() -> None:
    models = ["picky=tests.support.models:Picky", "--workers", "2", "--timeout", "3", "--max-batch-size", "1"]
    with RunningServer(*models, cwd=ROOT) as server, ThreadPoolExecutor(5) as pool:
        hanging = pool.submit(infer, server.url, "picky", [999] * 4)
        until(lambda: metric(server.url, "pumice_inflight_requests") == 1)
        calls = [pool.submit(partial(infer, server.url, "picky", [value] * 4)) for value in range(4)]
        assert [output(call.result())[0] for call in calls] == [0, 2, 4, 6]
        assert hanging.result().status_code == 504
        assert metric(server.url, "pumice_replica_restarts_total") == 1


def test_a_task_of_one_front_is_known_to_the_other(server: RunningServer) -> None:
    answer = httpx.post(f"{server.url}/predict", json=body(), timeout=60)
    assert answer.status_code == 202
    task = answer.json()["task_id"]
    for _ in range(2):  # one on each front

        def told() -> dict[str, object]:
            result: dict[str, object] = httpx.get(f"{server.url}/result/{task}", timeout=60).json()
            return result

        until(lambda: told()["status"] == "completed")
    waited = httpx.post(f"{server.url}/predict", json=body(), headers={"prefer": "wait=20"}, timeout=60)
    assert waited.json()["status"] == "completed"


def test_a_model_that_cannot_load_ends_the_server_with_its_reason() -> None:
    broken = RunningServer("broken=tests.support.models:Broken", "--workers", "2", cwd=ROOT)
    with pytest.raises(AssertionError, match=r"(?s)ended with 1.*the weights are gone"), broken:
        pass
