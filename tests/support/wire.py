"""Requests as a caller without our client would send them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np

ROW = [1.0, 2.0, 3.0, 4.0]
LOOK_AGAIN_S = 0.005
"""Pause between two looks, so that who waits leaves the machine to what it waits for."""


def body(x: object = None, **more: object) -> dict[str, object]:
    """One row (or these rows) of the model family `tests.support.models.ROW`."""
    data = np.asarray(ROW if x is None else x, np.float32).reshape(-1, 4)
    return {
        "inputs": [{"name": "x", "shape": list(data.shape), "datatype": "FP32", "data": data.ravel().tolist()}]
    } | more


def infer(
    url: str, model: str, x: object = None, *, headers: dict[str, str] | None = None, **more: object
) -> httpx.Response:
    """Send one inference."""
    return httpx.post(f"{url}/v2/models/{model}/infer", json=body(x, **more), headers=headers, timeout=60)


def output(answer: httpx.Response) -> list[float]:
    """The numbers of the first output."""
    assert answer.status_code == 200, answer.text
    values: list[float] = answer.json()["outputs"][0]["data"]
    return values


def metric(url: str, name: str, **labels: str) -> float:
    """Sum of a metric's samples that have these labels."""
    total = 0.0
    for line in httpx.get(f"{url}/metrics", timeout=30).text.splitlines():
        if line.partition("{")[0].partition(" ")[0] == name and all(f'{k}="{v}"' in line for k, v in labels.items()):
            total += float(line.rpartition(" ")[2])
    return total


@contextmanager
def busy(url: str, model: str, gate: Path) -> Iterator[Future[httpx.Response]]:
    """Keep the only replica of a `tests.support.models.Gated` busy until ``gate`` is made."""
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(infer, url, model, parameters={"gate": str(gate)})
        try:
            until(lambda: metric(url, "pumice_inflight_requests", model=model) == 1)
            yield held
        finally:
            gate.touch()
        assert held.result().status_code == 200, held.result().text


def behind(
    url: str,
    model: str,
    gate: Path,
    calls: list[Callable[[], httpx.Response]],
    then: Callable[[], None] = lambda: None,
) -> list[httpx.Response]:
    """Let all these calls wait behind a busy replica, then do something and let it go on."""
    with busy(url, model, gate), ThreadPoolExecutor(len(calls)) as pool:
        futures = [pool.submit(call) for call in calls]
        until(lambda: metric(url, "pumice_queue_depth", model=model) == len(calls))
        then()
        gate.touch()
        return [future.result() for future in futures]


def until(condition: Callable[[], bool]) -> None:
    """Ask again and again; the test's own time limit ends it."""
    while not condition():
        time.sleep(LOOK_AGAIN_S)


def at_once(calls: list[Callable[[], httpx.Response]]) -> list[httpx.Response]:
    """Make all these calls at the same time."""
    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]
