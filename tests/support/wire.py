"""Requests as a caller without our client would send them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np

ROW = [1.0, 2.0, 3.0, 4.0]


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


def at_once(calls: list[Callable[[], httpx.Response]]) -> list[httpx.Response]:
    """Make all these calls at the same time."""
    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]
