"""Asynchronous tasks, from handing in to the result."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pumice import Client
from pumice.client import ConnectionFailed, TaskFailed
from pumice.domain.errors import BadSetting, DeadlineExceeded, TaskNotFound
from tests.client.scripted import DROP, ScriptedServer, answer

ACCEPTED = answer(202, {"task_id": "t-1", "status": "processing"})
PROCESSING = answer(body={"status": "processing"})


def completed(result: Any) -> bytes:
    return answer(body={"status": "completed", "result": result})


@pytest.mark.parametrize(
    ("model", "work", "body"),
    [
        ("m", "很好", {"model": "m", "text": "很好"}),
        (None, ("a", "b"), {"text": ["a", "b"]}),
        (
            "m",
            {"x": np.array([1, 2], np.int64)},
            {"model": "m", "inputs": [{"name": "x", "shape": [2], "datatype": "INT64", "data": [1, 2]}]},
        ),
    ],
)
def test_work_of_every_kind_is_handed_in(model: str | None, work: Any, body: Any) -> None:
    with ScriptedServer([ACCEPTED]) as server, Client(server.url) as client:
        assert client.submit(model, work, version="2", request_id="r-1") == "t-1"
    assert (server.seen[0].path, server.seen[0].json()) == ("/predict", body | {"version": "2"})
    assert server.seen[0].headers["x-request-id"] == "r-1"


def test_work_is_not_handed_in_twice() -> None:
    with (
        ScriptedServer([DROP, ACCEPTED]) as server,
        Client(server.url) as client,
        pytest.raises(ConnectionFailed),
    ):
        client.submit("m", "a")
    assert len(server.seen) == 1


def test_work_that_is_no_text_is_refused() -> None:
    with Client("http://127.0.0.1:1") as client, pytest.raises(BadSetting, match="type int"):
        client.submit("m", ["a", 3])  # type: ignore[list-item]


def test_waiting_looks_again_ever_more_slowly() -> None:
    pauses: list[float] = []
    script = [*[PROCESSING] * 12, completed({"label": "pos", "score": 0.5})]
    with ScriptedServer(script) as server, Client(server.url, sleep=pauses.append) as client:
        assert client.wait("t-1") == {"label": "pos", "score": 0.5}
    assert server.seen[0].path == "/result/t-1"
    assert pauses == sorted(pauses)
    assert 0 < pauses[0] < pauses[-1] == 1.0


def test_waiting_has_an_end() -> None:
    with (
        ScriptedServer([PROCESSING]) as server,
        Client(server.url) as client,
        pytest.raises(DeadlineExceeded, match=r"0\.1 s for task 't-1'"),
    ):
        client.wait("t-1", timeout=0.1)


def test_tensors_become_arrays() -> None:
    tensors = [{"name": "y", "datatype": "FP16", "shape": [1, 2], "data": [1.5, 2]}]
    with ScriptedServer([completed(tensors)]) as server, Client(server.url) as client:
        result = client.wait("t-1")
    assert result["y"].dtype == np.float16
    assert result["y"].tolist() == [[1.5, 2]]


@pytest.mark.parametrize("error", ["it broke", {"detail": "it broke"}])
def test_a_failed_task_is_an_error(error: Any) -> None:
    with ScriptedServer([answer(body={"status": "failed", "error": error})]) as server, Client(server.url) as client:
        state = client.result("t-1")
        assert (state.status, state.error) == ("failed", "it broke")
        with pytest.raises(TaskFailed, match="task 't-1' failed: it broke"):
            client.wait("t-1")


def test_an_unknown_task_is_an_error() -> None:
    with (
        ScriptedServer([answer(404, {"status": "not_found"})]) as server,
        Client(server.url) as client,
        pytest.raises(TaskNotFound, match="task 't 1/2' is not known") as caught,
    ):
        client.result("t 1/2")
    assert caught.value.task_id == "t 1/2"
    assert server.seen[0].path == "/result/t%201%2F2"
