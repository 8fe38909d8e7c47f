"""A steady load of right answers on `tests.support.models.Doubler`, and replicas killed under it."""

from __future__ import annotations

import json
import os
import signal
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


def kill_replicas_under_load(server: RunningServer, most: int) -> tuple[LoadResult, int]:
    """Kill one of two replicas again and again, each time when both are ready.

    Args:
        server: Serves `DOUBLER` by two replicas.
        most: Replicas that are killed at the most.

    Returns:
        What the callers saw, and how many were killed.
    """
    kills = 0
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(load, server, 4.0)
        while not loading.done() and kills < most:
            before = metric(server.url, "pumice_replica_restarts_total")
            os.kill(server.replicas()[-1], signal.SIGKILL)
            kills += 1
            until(lambda: metric(server.url, "pumice_replica_restarts_total") > before)  # noqa: B023 - ends in the turn
            until(lambda: metric(server.url, "pumice_replicas", state="ready") == 2)
        return loading.result(), kills
