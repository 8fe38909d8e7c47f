"""Far more models than memory: 500 are known, 20 are in memory, and every request is answered by its own model."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

import httpx
import pytest
import yaml

from pumice.service.models.memory import proportional_bytes
from tests.engines.graphs import constant
from tests.support.server import RunningServer
from tests.support.wire import body, metric, until

ROOT = Path(__file__).parents[2]
KNOWN = 500
IN_MEMORY = 20
CALLERS = 4


class Watch:
    """Looks at the replicas of a server again and again, and keeps the most that it saw."""

    def __init__(self, server: RunningServer) -> None:
        self.most_processes = 0
        self.most_bytes = 0
        self._server = server
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.5):
            replicas = self._server.replicas()
            self.most_processes = max(self.most_processes, len(replicas))
            self.most_bytes = max(self.most_bytes, sum(map(proportional_bytes, replicas)))


@pytest.mark.slow(40)
@pytest.mark.timeout(900)  # up to 500 processes are started on whatever machine this is
@pytest.mark.parametrize("asked", [2 * IN_MEMORY, pytest.param(KNOWN, marks=pytest.mark.long)])
def test_500_models_are_known_20_are_in_memory_and_each_answers_its_own_number(tmp_path: Path, asked: int) -> None:
    models = [
        {"name": f"m{number}", "source": str(constant(tmp_path / str(number), number)), "threads": 1}
        for number in range(KNOWN)
    ]
    file = tmp_path / "pumice.yaml"
    file.write_text(
        yaml.safe_dump({"models": models, "max_loaded": IN_MEMORY, "memory_budget": "4GiB"}), encoding="utf-8"
    )
    order = list(range(KNOWN))
    random.Random(7).shuffle(order)
    order = order[:asked]
    started = time.monotonic()
    with RunningServer("-f", str(file), cwd=ROOT) as server:
        assert time.monotonic() - started < 30  # it starts none of them

        def ask(number: int) -> tuple[int, int, set[float]]:
            answer = httpx.post(f"{server.url}/v2/models/m{number}/infer", json=body(), timeout=300)
            return number, answer.status_code, set(answer.json()["outputs"][0]["data"] if answer.is_success else ())

        with Watch(server) as watch, ThreadPoolExecutor(CALLERS) as pool:
            answers = list(pool.map(ask, order))
        assert answers == [(number, 200, {float(number)}) for number in order]
        assert metric(server.url, "pumice_model_loads_total") == asked
        assert metric(server.url, "pumice_model_evictions_total") == asked - IN_MEMORY
        # one that ends may still be there beside one that starts
        assert watch.most_processes <= IN_MEMORY + 2
        assert len(server.replicas()) == IN_MEMORY
        assert watch.most_bytes < (IN_MEMORY + 2) * 80 * 2**20
        full = sum(map(proportional_bytes, server.replicas()))
        loaded = httpx.post(f"{server.url}/v2/repository/index", json={"ready": True}, timeout=60).json()
        assert len(loaded) == IN_MEMORY
        for entry in loaded[: IN_MEMORY // 2]:
            assert httpx.post(f"{server.url}/v2/repository/models/{entry['name']}/unload", timeout=60).is_success
        assert len(server.replicas()) == IN_MEMORY // 2
        assert sum(map(proportional_bytes, server.replicas())) < full * 0.75


def test_a_memory_budget_in_bytes_sends_the_longest_idle_to_sleep(tmp_path: Path) -> None:
    models = [{"name": f"m{number}", "source": str(constant(tmp_path / str(number), number))} for number in range(4)]
    file = tmp_path / "pumice.yaml"
    file.write_text(yaml.safe_dump({"models": models}), encoding="utf-8")
    with RunningServer("-f", str(file), "--memory-budget", "1MiB", cwd=ROOT) as server:
        for number in (0, 1, 2, 3, 0):
            answer = httpx.post(f"{server.url}/v2/models/m{number}/infer", json=body(), timeout=60)
            assert set(answer.json()["outputs"][0]["data"]) == {float(number)}
            # one alone is over this budget already; the last that was asked stays
            until(lambda: len(server.replicas()) == 1)
