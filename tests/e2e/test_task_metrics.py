"""Tasks and webhooks of a real server on each database, and what its metrics tell of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from pumice.db import Place
from tests.service.tasks.test_webhooks import SECRET, Receiver
from tests.support.server import RunningServer
from tests.support.stores import cluster, place, postgres
from tests.support.wire import body, metric, until

__all__ = ["cluster", "place", "postgres"]


@pytest.fixture
def server(place: Place, tmp_path: Path) -> Iterator[RunningServer]:
    file = tmp_path / "pumice.yaml"
    models = {"double": "Doubler", "picky": "Picky", "gated": "Gated"}
    settings: dict[str, object] = {
        "models": [{"name": name, "source": f"tests.support.models:{kind}"} for name, kind in models.items()],
        "webhook_hosts": "127.0.0.1",
        "webhook_secret": SECRET,
        "sandbox": "off",  # a gate is a file
        "task_lease": 1,
    }
    file.write_text(yaml.safe_dump(settings | ({"database": place.url} if place.url else {})), encoding="utf-8")
    with RunningServer("-f", str(file)) as running:
        yield running


def hand_in(server: RunningServer, model: str, x: object = None, **more: object) -> str:
    accepted = httpx.post(f"{server.url}/predict", json={"model": model} | body(x, **more), timeout=60)
    assert accepted.status_code == 202, accepted.text
    return server.url + accepted.headers["location"]


def tasks(server: RunningServer, model: str) -> dict[str, float]:
    states = ("accepted", "completed", "failed", "cancelled")
    return {state: metric(server.url, "pumice_tasks_total", model=model, state=state) for state in states}


def webhooks(server: RunningServer) -> dict[str, float]:
    results = ("delivered", "again", "given_up")
    return {result: metric(server.url, "pumice_webhooks_total", model="double", result=result) for result in results}


def test_what_becomes_of_tasks_is_counted(server: RunningServer, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    done = [hand_in(server, "double") for _ in range(3)] + [hand_in(server, "picky", [13.0] * 4)]
    told = [httpx.get(at, headers={"prefer": "wait=30"}, timeout=60).json()["status"] for at in done]
    assert told == ["completed", "completed", "completed", "failed"]
    held = hand_in(server, "gated", parameters={"gate": str(gate)})
    until(lambda: metric(server.url, "pumice_inflight_requests", model="gated") == 1)
    assert tasks(server, "gated") == {"accepted": 1, "completed": 0, "failed": 0, "cancelled": 0}
    until(lambda: metric(server.url, "pumice_pending_tasks", model="gated") == 1)
    assert metric(server.url, "pumice_pending_tasks", model="double") == 0
    assert httpx.delete(held, timeout=60).is_success
    until(lambda: metric(server.url, "pumice_pending_tasks", model="gated") == 0)
    gate.touch()
    assert tasks(server, "double") == {"accepted": 3, "completed": 3, "failed": 0, "cancelled": 0}
    assert tasks(server, "picky") == {"accepted": 1, "completed": 0, "failed": 1, "cancelled": 0}
    assert tasks(server, "gated") == {"accepted": 1, "completed": 0, "failed": 0, "cancelled": 1}


def test_webhooks_are_counted(server: RunningServer) -> None:
    assert webhooks(server) == {"delivered": 0, "again": 0, "given_up": 0}
    with Receiver(500, 200, 410).listening() as receiver:
        hand_in(server, "double", webhook=receiver.url)
        until(lambda: webhooks(server) == {"delivered": 1, "again": 1, "given_up": 0})
        hand_in(server, "double", webhook=receiver.url)
        until(lambda: webhooks(server) == {"delivered": 1, "again": 1, "given_up": 1})
    assert {headers["webhook-id"][:4] for headers, _ in receiver.heard} == {"msg_"}
