"""Under load: replicas die, the server stops, the server is killed. Nothing accepted is lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from tests.support.load import DOUBLER, kill_replicas_under_load, load
from tests.support.server import RunningServer
from tests.support.wire import body, metric, until

ROOT = Path(__file__).parents[2]


def test_replicas_that_are_killed_under_load_lose_nothing() -> None:
    with RunningServer(DOUBLER, "--replicas", "2", cwd=ROOT) as server:
        right, failures = kill_replicas_under_load(server, 4)
    assert not failures
    assert right > 100


def test_stopping_under_load_answers_all_that_it_took() -> None:
    with RunningServer(DOUBLER, cwd=ROOT) as server, ThreadPoolExecutor(1) as pool:
        loading = pool.submit(load, server, 3.0)
        until(lambda: metric(server.url, "pumice_requests_total", code="200") > 100)
        assert server.stop() == 0
        result = loading.result()
    # afterwards nobody listens; a request that was sent and not answered would be 'closed'
    assert set(result.failures) <= {"connect"}
    assert result.requests > 100


def test_tasks_survive_the_death_of_everything(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    home = tmp_path / "home"
    rows = [[float(number)] * 4 for number in range(40)]
    with RunningServer("gated=tests.support.models:Gated", home=home, cwd=ROOT) as server:
        tasks = [
            httpx.post(f"{server.url}/predict", json=body(row, parameters={"gate": str(gate)}), timeout=60).json()
            for row in rows
        ]
        assert {task["status"] for task in tasks} == {"processing"}
        server.kill()
    gate.touch()
    with RunningServer("gated=tests.support.models:Gated", home=home, cwd=ROOT) as server:

        def finished(task: str) -> bool:
            told = httpx.get(f"{server.url}/result/{task}", timeout=60)
            assert told.status_code == 200, told.text
            return bool(told.json()["status"] != "processing")

        for task, row in zip(tasks, rows, strict=True):
            until(lambda: finished(task["task_id"]))  # noqa: B023 - ends in the turn
            told = httpx.get(f"{server.url}/result/{task['task_id']}", timeout=60).json()
            assert told["status"] == "completed"
            assert told["result"][0]["data"] == [value * 2 for value in row]
