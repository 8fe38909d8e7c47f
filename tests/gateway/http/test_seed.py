"""The asynchronous API, word for word."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.gateway.http.local import LocalServer, healthy_versions, local_server

TENSOR = {"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}
DOUBLED = [{"name": "y", "datatype": "FP32", "shape": [1, 4], "data": [2.0, 4.0, 6.0, 8.0]}]
GOOD = {"label": "positive", "score": 0.75}
BAD = {"label": "negative", "score": 0.875}


def finished(client: httpx.Client, task_id: str) -> dict[str, Any]:
    """Ask until the task is finished, as a caller would."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        told: dict[str, Any] = client.get(f"/result/{task_id}").json()
        if told["status"] != "processing":
            return told
    raise AssertionError("the task is not finished")


def told_at(answer: httpx.Response) -> str:
    """Where a task's result is to be found."""
    place: str = answer.headers["location"]
    return place


def test_a_task_is_accepted_and_its_result_is_kept(client: httpx.Client) -> None:
    answer = client.post("/predict", json={"model": "double", "inputs": [TENSOR]})
    assert answer.status_code == 202
    told = answer.json()
    assert told == {"task_id": told["task_id"], "status": "processing"}
    assert answer.headers["location"] == f"/result/{told['task_id']}"
    assert finished(client, told["task_id"]) == {"status": "completed", "result": DOUBLED}
    assert client.get(answer.headers["location"]).headers["x-model-version"] == "2"


@pytest.mark.parametrize(
    ("body", "result"),
    [
        ({"model": "double", "inputs": [TENSOR]}, DOUBLED),
        ({"model": "double", "version": "1", "inputs": [TENSOR]}, DOUBLED),
        ({"model": "sentiment", "text": "很好"}, GOOD),
        ({"model": "sentiment", "text": ["很好"]}, [GOOD]),
        ({"model": "sentiment", "text": ["很好", "bad"]}, [GOOD, BAD]),
        ({"model": "embed", "text": "ab"}, {"embedding": [2.0, 0.5]}),
        ({"model": "embed", "text": ["ab", "c"]}, [{"embedding": [2.0, 0.5]}, {"embedding": [1.0, 0.5]}]),
        (
            {"model": "embed", "inputs": [{"name": "text", "datatype": "BYTES", "shape": [1], "data": ["ab"]}]},
            [{"name": "embedding", "datatype": "FP32", "shape": [1, 2], "data": [2.0, 0.5]}],
        ),
    ],
)
def test_a_caller_may_wait(client: httpx.Client, body: dict[str, Any], result: object) -> None:
    answer = client.post("/predict", json=body, headers={"prefer": "respond-async, wait=20"})
    assert answer.status_code == 200
    assert answer.json() == {"status": "completed", "result": result}
    assert answer.headers["preference-applied"] == "wait=20"
    assert answer.headers["x-model-version"]
    assert client.get(answer.headers["location"]).json() == answer.json()


def test_a_wait_that_is_too_short(trouble: httpx.Client) -> None:
    for wait in (0, 1):
        answer = trouble.post(
            "/predict", json={"model": "slow", "inputs": [TENSOR]}, headers={"prefer": f"wait={wait}"}
        )
        assert answer.status_code == 202
        assert answer.headers["preference-applied"] == f"wait={wait}"
        told = answer.json()
        assert told["status"] == "processing"
        progress = {"done": 0, "total": 1, "ahead": 0}
        assert trouble.get(told_at(answer)).json() == {"status": "processing", "progress": progress}


def test_a_task_that_fails(trouble: httpx.Client) -> None:
    answer = trouble.post("/predict", json={"model": "fails", "inputs": [TENSOR]}, headers={"prefer": "wait=20"})
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "failed",
        "error": "model 'fails' failed: division by zero",
        "code": "model-failed",
    }


def test_a_caller_may_wait_for_a_result_too(client: httpx.Client, trouble: httpx.Client) -> None:
    done = client.post("/predict", json={"model": "double", "inputs": [TENSOR]})
    answer = client.get(told_at(done), headers={"prefer": "wait=20"})
    assert answer.json() == {"status": "completed", "result": DOUBLED}
    assert answer.headers["preference-applied"] == "wait=20"
    slow = trouble.post("/predict", json={"model": "slow", "inputs": [TENSOR]})
    answer = trouble.get(told_at(slow), headers={"prefer": "wait=1"})
    assert answer.json()["status"] == "processing"


def test_a_task_that_is_not_wanted_any_more(trouble: httpx.Client) -> None:
    place = told_at(trouble.post("/predict", json={"model": "slow", "inputs": [TENSOR]}))
    cancelled = {"status": "failed", "error": "Cancelled by the caller", "code": "cancelled"}
    for answer in (trouble.delete(place), trouble.delete(place), trouble.get(place)):
        assert (answer.status_code, answer.json()) == (200, cancelled)


def test_a_result_that_is_not_wanted_any_more(client: httpx.Client) -> None:
    body = {"model": "double", "inputs": [TENSOR]}
    place = told_at(client.post("/predict", json=body, headers={"prefer": "wait=20"}))
    answer = client.delete(place)
    assert (answer.status_code, answer.content) == (204, b"")
    for gone in (client.get(place), client.delete(place), client.delete("/result/none")):
        assert (gone.status_code, gone.json()) == (404, {"status": "not_found"})


def test_how_urgent_a_task_is_and_how_long_it_is_kept(client: httpx.Client, healthy: LocalServer) -> None:
    body = {"model": "double", "inputs": [TENSOR], "priority": 3, "ttl": 0.001}
    answer = client.post("/predict", json=body, headers={"x-request-id": "urgent-1"})
    healthy.until(lambda: any(request.request_id == "urgent-1" for request in healthy.version("double").seen))
    seen = next(request for request in healthy.version("double").seen if request.request_id == "urgent-1")
    assert seen.priority == 3
    until = time.monotonic() + 20
    while client.get(told_at(answer)).status_code != 404:
        assert time.monotonic() < until


@pytest.mark.parametrize("wrong", [{"priority": 0}, {"priority": 17}, {"ttl": 0}, {"ttl": "long"}])
def test_wishes_that_cannot_be_met(client: httpx.Client, wrong: dict[str, Any]) -> None:
    answer = client.post("/predict", json={"model": "double", "inputs": [TENSOR]} | wrong)
    assert answer.status_code == 400
    assert next(iter(wrong)) in answer.json()["detail"]


@pytest.mark.parametrize("task_id", ["none", "0193b3a8-0000-7000-8000-000000000000", "%00", "..%2f", "x" * 1000])
def test_an_unknown_task(client: httpx.Client, task_id: str) -> None:
    answer = client.get(f"/result/{task_id}")
    assert answer.status_code == 404
    assert answer.json() == {"status": "not_found"}


def test_the_model_may_be_left_out_where_one_is_served(tmp_path: Path) -> None:
    versions = [version for version in healthy_versions() if version.name == "sentiment"]
    with local_server(versions, tmp_path) as server, httpx.Client(base_url=server.url, timeout=30) as http:
        answer = http.post("/predict", json={"text": "很好"}, headers={"prefer": "wait=20"})
        assert answer.json() == {"status": "completed", "result": GOOD}


def test_which_models_there_are_is_told_where_one_must_be_named(client: httpx.Client) -> None:
    answer = client.post("/predict", json={"text": "很好"})
    assert answer.status_code == 400
    assert "double, sentiment" in answer.json()["detail"]


def test_a_task_for_a_model_that_still_loads_is_accepted(trouble: httpx.Client) -> None:
    answer = trouble.post("/predict", json={"model": "loading", "text": "later"})
    assert answer.status_code == 202


def test_a_task_outlives_the_server(tmp_path: Path) -> None:
    with local_server(healthy_versions(), tmp_path) as server, httpx.Client(base_url=server.url, timeout=30) as http:
        done = http.post("/predict", json={"model": "double", "inputs": [TENSOR]}, headers={"prefer": "wait=20"})
    with local_server(healthy_versions(), tmp_path) as server, httpx.Client(base_url=server.url, timeout=30) as http:
        assert http.get(done.headers["location"]).json() == {"status": "completed", "result": DOUBLED}


def test_what_a_task_carries_reaches_the_model(client: httpx.Client, healthy: LocalServer) -> None:
    body = {"model": "double", "inputs": [TENSOR], "parameters": {"beta": "x", "priority": 2}}
    client.post("/predict", json=body, headers={"prefer": "wait=20", "x-request-id": "task-1"})
    seen = next(request for request in healthy.version("double").seen if request.request_id == "task-1")
    assert seen.parameters == {"beta": "x"}
    assert seen.priority == 2
