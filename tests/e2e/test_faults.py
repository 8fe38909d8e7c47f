"""What happens to callers when a model or a replica misbehaves."""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.support.server import RunningServer
from tests.support.wire import at_once, infer, metric, output

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


def test_a_killed_replica_takes_no_request_with_it() -> None:
    with RunningServer("slow=tests.support.models:Slow", "--replicas", "2", cwd=ROOT) as running:

        def strike() -> httpx.Response:
            for pid in running.replicas():
                os.kill(pid, signal.SIGKILL)
            return httpx.get(f"{running.url}/v2/health/live")

        calls = [partial(infer, running.url, "slow", [100 + i, 0, 0, 0]) for i in range(30)]
        answers = at_once([*calls, strike])
        assert [output(answer)[0] for answer in answers[:-1]] == [2.0 * (100 + i) for i in range(30)]
        assert metric(running.url, "pumice_replica_restarts_total") == 2


def test_stopping_loses_nothing() -> None:
    with RunningServer("slow=tests.support.models:Slow", cwd=ROOT) as running:

        def stop() -> httpx.Response:
            answer = httpx.get(f"{running.url}/v2/health/live")
            running.process.send_signal(signal.SIGTERM)
            return answer

        answers = at_once([*(partial(infer, running.url, "slow", [300 + i, 0, 0, 0]) for i in range(10)), stop])
        assert [output(answer)[0] for answer in answers[:-1]] == [2.0 * (300 + i) for i in range(10)]
        pids = running.replicas()
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
