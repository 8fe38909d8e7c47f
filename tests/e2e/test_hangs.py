"""A call that hangs is found, killed and replaced in time; readiness and the other callers stay right."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.support.server import RunningServer
from tests.support.wire import infer, metric, output, until

ROOT = Path(__file__).parents[2]
TIMEOUT = 1.0
SLACK = 5.0
"""What a machine under other load may add (s)."""


@pytest.fixture
def server() -> Iterator[RunningServer]:
    """One replica of a model that hangs on 999, in native code that keeps the GIL on 998."""
    with RunningServer(
        "picky=tests.support.models:Picky", "--timeout", str(TIMEOUT), "--max-batch-size", "1", cwd=ROOT
    ) as running:
        yield running


@pytest.mark.parametrize("value", [999, 998])
def test_a_hang_is_killed_behind_its_limit_and_not_before(server: RunningServer, value: int) -> None:
    [pid] = server.replicas()
    started = time.monotonic()
    answer = infer(server.url, "picky", [value] * 4)
    took = time.monotonic() - started
    assert answer.status_code == 504
    assert TIMEOUT <= took < TIMEOUT + 0.5 + SLACK
    until(lambda: not Path(f"/proc/{pid}").exists())
    assert time.monotonic() - started < TIMEOUT + 0.5 + SLACK
    until(lambda: metric(server.url, "pumice_replicas", state="ready") == 1)
    assert output(infer(server.url, "picky")) == [2, 4, 6, 8]
    assert metric(server.url, "pumice_replica_restarts_total") == 1
    assert "model hangs" in server.logged()


def test_readiness_tells_of_a_replica_that_is_being_replaced(server: RunningServer) -> None:
    ready = f"{server.url}/v2/models/picky/ready"
    assert httpx.get(ready).status_code == 200
    assert infer(server.url, "picky", [999] * 4).status_code == 504
    until(lambda: httpx.get(ready).status_code == 503)
    until(lambda: httpx.get(ready).status_code == 200)


def test_who_waits_behind_a_hang_is_answered(server: RunningServer) -> None:
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(infer, server.url, "picky", [999] * 4)
        until(lambda: metric(server.url, "pumice_inflight_requests") == 1)
        assert output(infer(server.url, "picky")) == [2, 4, 6, 8]
        assert hanging.result().status_code == 504


def test_a_slow_call_within_its_limit_is_left_alone(server: RunningServer) -> None:
    assert output(infer(server.url, "picky", [997] * 4)) == [997 * 2.0] * 4
    assert metric(server.url, "pumice_replica_restarts_total") == 0


def test_a_replica_that_keeps_dying_is_started_less_and_less() -> None:
    with RunningServer("dying=tests.support.models:Dying", cwd=ROOT) as server, httpx.Client(timeout=60) as http:

        def reason() -> str:
            answer = http.get(f"{server.url}/v2/models/dying/ready")
            told: str = answer.json().get("reason", "")
            assert (answer.status_code == 503) == bool(told)
            return told

        until(lambda: "times in a row" in reason())
        assert "between calls" in reason()
        assert "exit code 3" in reason()
        assert metric(server.url, "pumice_replica_restarts_total") >= 4
        assert "replica keeps dying" in server.logged()
