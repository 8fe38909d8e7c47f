"""A steady load of right answers on `tests.support.models.Doubler`, and replicas killed under it."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from pumice.client.load import LoadJob, LoadResult, run_load
from tests.support.server import RunningServer
from tests.support.wire import body, metric, until

DOUBLER = "double=tests.support.models:Doubler"
"""The argument of a server that can be put under this load."""


def load(server: RunningServer, seconds: float) -> LoadResult:
    """Sixteen callers, one request after the other, every answer checked."""
    job = LoadJob(
        url=f"{server.url}/v2/models/double/infer",
        bodies=(json.dumps(body()).encode(),),
        connections=16,
        seconds=seconds,
        expect="[2.0,4.0,6.0,8.0]",
    )
    return run_load(job)


def kill_replicas_under_load(server: RunningServer, kills: int) -> tuple[int, dict[str, int]]:
    """Kill one of two replicas again and again, each time when both are ready; the load goes on until all are killed.

    Args:
        server: Serves `DOUBLER` by two replicas.
        kills: How many are killed.

    Returns:
        Right answers that the callers got, and failures by kind.
    """
    over = threading.Event()
    results: list[LoadResult] = []

    def loading() -> None:
        while not over.is_set():
            results.append(load(server, 1.0))

    with ThreadPoolExecutor(1) as pool:
        loads = pool.submit(loading)
        try:
            for _ in range(kills):
                before = metric(server.url, "pumice_replica_restarts_total")
                os.kill(server.replicas()[-1], signal.SIGKILL)
                until(lambda: metric(server.url, "pumice_replica_restarts_total") > before)  # noqa: B023 - ends in the turn
                until(lambda: metric(server.url, "pumice_replicas", state="ready") == 2)
        finally:
            over.set()
        loads.result()
    failures = Counter[str]()
    for result in results:
        failures.update(result.failures)
    return sum(result.requests for result in results), dict(failures)
