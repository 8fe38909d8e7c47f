"""What happens to callers when a model or a replica misbehaves."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from tests.support.server import RunningServer
from tests.support.wire import at_once, infer, metric, output, until

ROOT = Path(__file__).parents[2]


def test_a_bad_item_fails_alone(server: RunningServer) -> None:
    values = [1, 13, 2, 13, 3, 4]
    answers = at_once([partial(infer, server.url, "picky", [value] * 4) for value in values])
    assert [answer.status_code for answer in answers] == [200, 500, 200, 500, 200, 200]
    assert "thirteen is refused" in answers[1].json()["error"]
    assert "Traceback" not in answers[1].text


def test_an_item_that_kills_its_replica_takes_nobody_with_it(server: RunningServer) -> None:
    answers = at_once([partial(infer, server.url, "picky", [value] * 4) for value in (1, 666, 2, 3)])
    assert [answer.status_code for answer in answers] == [200, 500, 200, 200]
    assert "died" in answers[1].json()["error"]
    assert output(infer(server.url, "picky")) == [2, 4, 6, 8]


def test_a_hanging_model_is_killed_and_replaced(server: RunningServer) -> None:
    answer = infer(server.url, "picky", [999] * 4)
    assert answer.status_code == 504
    assert "time limit" in answer.json()["error"]
    assert output(infer(server.url, "picky")) == [2, 4, 6, 8]


def test_killed_replicas_take_no_request_with_them(tmp_path: Path) -> None:
    with (
        RunningServer("gated=tests.support.models:Gated", "--replicas", "2", cwd=ROOT) as running,
        ThreadPoolExecutor(30) as pool,
    ):
        gate = tmp_path / "gate"
        held = [
            pool.submit(infer, running.url, "gated", [i, 0, 0, 0], parameters={"gate": str(gate)}) for i in range(30)
        ]
        until(lambda: metric(running.url, "pumice_inflight_requests") == 30)
        for pid in running.replicas():
            os.kill(pid, signal.SIGKILL)
        until(lambda: metric(running.url, "pumice_replica_restarts_total") == 2)
        gate.touch()
        assert [output(future.result())[0] for future in held] == [2.0 * i for i in range(30)]
        assert not any(future.result().headers.get("retry-after") for future in held)


def test_stopping_loses_nothing(tmp_path: Path) -> None:
    with RunningServer("gated=tests.support.models:Gated", cwd=ROOT) as running, ThreadPoolExecutor(10) as pool:
        gate = tmp_path / "gate"
        held = [
            pool.submit(infer, running.url, "gated", [i, 0, 0, 0], parameters={"gate": str(gate)}) for i in range(10)
        ]
        until(lambda: metric(running.url, "pumice_inflight_requests") == 10)
        pids = running.replicas()
        running.process.send_signal(signal.SIGTERM)
        until(lambda: "stopping" in running.logged())
        gate.touch()
        assert [output(future.result())[0] for future in held] == [2.0 * i for i in range(10)]
        assert running.stop() == 0
        assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_replicas_end_with_a_killed_gateway() -> None:
    with RunningServer("double=tests.support.models:Doubler", "--replicas", "2", cwd=ROOT) as running:
        watched = [os.pidfd_open(pid) for pid in running.replicas()]
        running.kill()
        for fd in watched:
            _wait_for_exit(fd)


def test_a_model_that_cannot_load_ends_the_server_with_its_reason() -> None:
    broken = RunningServer("broken=tests.support.models:Broken", cwd=ROOT)
    with pytest.raises(AssertionError, match=r"(?s)ended with 1.*the weights are gone"), broken:
        pass


def _wait_for_exit(fd: int) -> None:
    import select

    try:
        assert select.select([fd], [], [], 10)[0], "a replica outlived its gateway"
    finally:
        os.close(fd)
