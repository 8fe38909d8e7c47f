"""Answers in parts, from a generator in a replica to public clients, and what ends them."""

from __future__ import annotations

import asyncio
import json
import queue
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
import tritonclient.grpc as triton  # type: ignore[import-untyped]

from pumice import AsyncClient, Client
from pumice.domain.errors import PumiceError, Unfit
from tests.support.server import RunningServer
from tests.support.wire import metric, until

SETTINGS = """
stream_timeout: 1
sandbox: 'off'  # the models leave marks in files
models:
  - {name: counter, source: 'tests.support.models:Counter'}
  - {name: fragile, source: 'tests.support.models:Counter', replicas: 2}
  - {name: wide, source: 'tests.support.models:Wide'}
  - {name: echo, source: 'tests.support.models:Echo'}
  - {name: double, source: 'tests.support.models:Doubler'}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    file = tmp_path_factory.mktemp("streams") / "pumice.yaml"
    file.write_text(SETTINGS, encoding="utf-8")
    with RunningServer("-f", str(file)) as running:
        yield running


def events(server: RunningServer, model: str, body: Mapping[str, object], path: str = "generate_stream") -> list[Any]:
    answer = httpx.post(f"{server.url}/v2/models/{model}/{path}", json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    return [json.loads(event.removeprefix("data: ")) for event in answer.text.split("\n\n") if event]


def count(number: int) -> list[Any]:
    made = triton.InferInput("n", [1], "INT64")
    made.set_data_from_numpy(np.array([number], np.int64))
    return [made]


class GrpcStream:
    """A stream of Triton's client and the answers that came on it."""

    def __init__(self, address: str) -> None:
        self.client = triton.InferenceServerClient(address)
        self.answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
        self.client.start_stream(lambda result, error: self.answers.put((result, error)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.stop_stream(cancel_requests=True)
        self.client.close()

    def next(self) -> tuple[Any, Any]:
        return self.answers.get(timeout=30)


# -- what comes


def test_generate_stream_gives_part_by_part(server: RunningServer) -> None:
    assert [event["i"] for event in events(server, "counter", {"n": 40})] == list(range(40))
    said = events(server, "echo", {"text_input": "one two three", "parameters": {"unknown": 1}, "id": "7"})
    assert [event["text_output"] for event in said] == ["one", "two", "three"]
    assert said[0]["model_name"] == "echo"
    assert said[0]["id"] == "7"


def test_a_model_that_does_not_yield_gives_one_part(server: RunningServer) -> None:
    assert [event["y"] for event in events(server, "double", {"x": [1, 2, 3, 4]})] == [[2, 4, 6, 8]]


def test_generate_gives_one_answer_and_refuses_several(server: RunningServer) -> None:
    url = f"{server.url}/v2/models/echo/generate"
    one = httpx.post(url, json={"text_input": "one"})
    assert (one.status_code, one.json()["text_output"]) == (200, "one")
    several = httpx.post(url, json={"text_input": "one two"})
    assert several.status_code == 501
    assert "generate_stream" in several.json()["error"]


def test_infer_of_one_part_is_an_answer(server: RunningServer) -> None:
    with Client(server.url) as client:
        np.testing.assert_array_equal(client.infer("counter", {"n": np.array([1])})["i"], [0])
        with pytest.raises(PumiceError, match="several parts"):
            client.infer("counter", {"n": np.array([2])})


def test_an_empty_answer_is_no_event(server: RunningServer) -> None:
    assert events(server, "counter", {"n": 0}) == []


def test_tensors_part_by_part(server: RunningServer) -> None:
    body = {"inputs": [{"name": "n", "datatype": "INT64", "shape": [1], "data": [2]}], "id": "x"}
    parts = events(server, "counter", body, "infer_stream")
    assert [part["outputs"] for part in parts] == [
        [{"name": "i", "datatype": "INT64", "shape": [1], "data": [number]}] for number in (0, 1)
    ]
    assert {part["id"] for part in parts} == {"x"}


def test_our_client_iterates(server: RunningServer) -> None:
    with Client(server.url) as client:
        assert [int(part["i"][0]) for part in client.stream("counter", {"n": np.array([5])})] == [0, 1, 2, 3, 4]
        with pytest.raises(Unfit):
            list(client.stream("counter", {"n": np.array([1.5])}))
        with pytest.raises(PumiceError, match="no further"):
            list(client.stream("counter", {"n": np.array([3])}, parameters={"fail": True}))

    async def several() -> list[int]:
        async with AsyncClient(server.url) as opened:
            return [int(part["i"][0]) async for part in opened.stream("counter", {"n": np.array([3])})]

    assert asyncio.run(several()) == [0, 1, 2]


def test_tritons_client_streams(server: RunningServer) -> None:
    with GrpcStream(server.grpc) as stream:
        stream.client.async_stream_infer("counter", count(3), request_id="a", enable_empty_final_response=True)
        got = [stream.next() for _ in range(4)]
        assert all(error is None for _, error in got)
        assert [int(result.as_numpy("i")[0]) for result, _ in got[:3]] == [0, 1, 2]
        finals = [result.get_response().parameters["triton_final_response"].bool_param for result, _ in got]
        assert finals == [False, False, False, True]
        assert not got[3][0].get_response().outputs

        x = triton.InferInput("x", [1, 4], "FP32")
        x.set_data_from_numpy(np.ones((1, 4), np.float32))
        stream.client.async_stream_infer("double", [x], request_id="b")
        result, error = stream.next()
        assert error is None
        assert result.get_response().parameters["triton_final_response"].bool_param
        assert result.get_response().id == "b"


def test_an_error_on_a_grpc_stream_ends_nothing_else(server: RunningServer, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with GrpcStream(server.grpc) as stream:
        stream.client.async_stream_infer("counter", count(2), request_id="held", parameters={"gate": str(gate)})
        assert int(stream.next()[0].as_numpy("i")[0]) == 0
        stream.client.async_stream_infer("nobody", count(2), request_id="wrong")
        stream.client.async_stream_infer("counter", count(1), request_id="fails", parameters={"fail": True})
        told = {str(stream.next()[1]) for _ in range(2)}
        assert any("nobody" in problem for problem in told)
        assert any("no further" in problem for problem in told)
        gate.touch()
        result, error = stream.next()
        assert error is None
        assert (result.get_response().id, int(result.as_numpy("i")[0])) == ("held", 1)


def test_streams_of_one_replica_run_at_once(server: RunningServer, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with GrpcStream(server.grpc) as stream:
        for number in range(4):
            parameters = {"gate": str(gate)}
            stream.client.async_stream_infer("counter", count(2), request_id=str(number), parameters=parameters)
        first = {stream.next()[0].get_response().id for _ in range(4)}
        gate.touch()
        assert first == {stream.next()[0].get_response().id for _ in range(4)} == {"0", "1", "2", "3"}


# -- what ends it


def test_what_fails_is_told_at_the_end(server: RunningServer) -> None:
    *parts, last = events(server, "counter", {"n": 3, "fail": True})
    assert [part["i"] for part in parts] == [0, 1]
    assert "no further" in last["error"]
    first = httpx.post(f"{server.url}/v2/models/counter/generate_stream", json={"n": 1, "fail": True})
    assert first.status_code == 500
    assert metric(server.url, "pumice_requests_total", model="counter", protocol="generate", code="500") >= 2


def test_a_death_after_a_part_is_told_and_never_retried(server: RunningServer) -> None:
    *parts, last = events(server, "fragile", {"n": 3, "die": True})
    assert [part["i"] for part in parts] == [0, 1]
    assert "died in the middle" in last["error"]
    assert [part["i"] for part in events(server, "fragile", {"n": 2})] == [0, 1]


def test_a_death_before_the_first_part_is_retried(server: RunningServer, tmp_path: Path) -> None:
    before = metric(server.url, "pumice_retries_total", model="fragile")
    assert [part["i"] for part in events(server, "fragile", {"n": 3, "once": str(tmp_path / "once")})] == [0, 1, 2]
    assert metric(server.url, "pumice_retries_total", model="fragile") == before + 1


@pytest.mark.parametrize(
    ("model", "body"), [("counter", {"n": 10**9}), ("echo", {"text_input": "one two", "wait": True})]
)
def test_a_caller_who_goes_away_ends_the_model(
    server: RunningServer, tmp_path: Path, model: str, body: dict[str, object]
) -> None:
    closed = tmp_path / "closed"
    url = f"{server.url}/v2/models/{model}/generate_stream"
    with httpx.stream("POST", url, json=body | {"closed": str(closed)}) as answer:
        next(answer.iter_lines())
        assert not closed.exists()
    until(closed.exists)
    until(lambda: metric(server.url, "pumice_inflight_requests", model=model) == 0)


def test_a_grpc_caller_who_cancels_ends_the_model(server: RunningServer, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    with GrpcStream(server.grpc) as stream:
        stream.client.async_stream_infer("counter", count(10**9), parameters={"closed": str(closed)})
        stream.next()
    until(closed.exists)


def test_a_silent_model_is_ended_and_replaced(server: RunningServer) -> None:
    pid = server.replicas()
    *parts, last = events(server, "counter", {"n": 2, "hang": True})
    assert [part["i"] for part in parts] == [0]
    assert "time limit of 1 s" in last["error"]
    until(lambda: server.replicas() != pid)  # it does not listen, so that the replica is killed
    assert len(events(server, "counter", {"n": 2})) == 2


def test_a_caller_who_does_not_read_holds_the_model_back(server: RunningServer, tmp_path: Path) -> None:
    progress, closed = tmp_path / "progress", tmp_path / "closed"
    body = json.dumps({"n": 10**9, "progress": str(progress), "closed": str(closed)}).encode()
    address = urlsplit(server.url)
    with closing(socket.socket()) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect((address.hostname, address.port))
        head = f"POST /v2/models/wide/generate_stream HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
        slow.sendall(head.encode() + body)
        # it stands still, and since nothing is taken for the time of `stream_timeout`, it is ended
        until(closed.exists)
        assert 16 <= int(progress.read_text(encoding="ascii")) < 10_000
    until(lambda: metric(server.url, "pumice_inflight_requests", model="wide") == 0)


def test_a_deadline_ends_a_stream(server: RunningServer, tmp_path: Path) -> None:
    body = {"text_input": "one two", "wait": True, "closed": str(tmp_path / "closed")}
    url = f"{server.url}/v2/models/echo/generate_stream"
    answer = httpx.post(url, json=body, headers={"x-timeout-ms": "200"}, timeout=60)
    assert "deadline" in answer.text.splitlines()[-2]
    until((tmp_path / "closed").exists)


def test_a_stop_tells_open_streams(tmp_path: Path) -> None:
    file = tmp_path / "pumice.yaml"
    file.write_text("drain_timeout: 1\n" + SETTINGS, encoding="utf-8")
    with RunningServer("-f", str(file)) as server:
        url = f"{server.url}/v2/models/echo/generate_stream"
        with httpx.stream("POST", url, json={"text_input": "one two", "wait": True}, timeout=60) as answer:
            lines = answer.iter_lines()
            assert "one" in next(lines)
            assert server.stop() == 0
