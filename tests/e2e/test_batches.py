"""Batches: formed from what waits, never mixed, cut apart rightly."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.support.server import RunningServer
from tests.support.wire import at_once, behind, body, busy, infer, metric, output


def test_requests_that_wait_go_together(server: RunningServer, tmp_path: Path) -> None:
    before = metric(server.url, "pumice_batch_size_count", model="gated")
    calls = [partial(infer, server.url, "gated", [i, 0, 0, 0]) for i in range(20)]
    answers = behind(server.url, "gated", tmp_path / "gate", list(calls))
    assert [output(answer)[0] for answer in answers] == [2.0 * i for i in range(20)]
    assert metric(server.url, "pumice_batch_size_count", model="gated") <= before + 4


def test_requests_of_any_size_are_cut_and_joined(server: RunningServer) -> None:
    rows = np.arange(4 * 205, dtype=np.float32).reshape(205, 4)
    assert output(infer(server.url, "double", rows)) == (rows * 2).ravel().tolist()


def test_different_parameters_never_share_a_batch(server: RunningServer) -> None:
    calls = [partial(infer, server.url, "size", parameters={"mark": mark}) for mark in (1, 2) for _ in range(10)]
    answers = at_once(list(calls))
    assert [output(answer)[1] for answer in answers] == [1.0] * 10 + [2.0] * 10


def test_one_and_true_are_different_parameters(server: RunningServer) -> None:
    calls = [partial(infer, server.url, "size", parameters={"mark": 1}), partial(infer, server.url, "size")]
    assert [output(answer)[1] for answer in at_once(list(calls))] == [1.0, 0.0]


def test_a_late_request_is_told_while_it_waits(server: RunningServer, tmp_path: Path) -> None:
    before = metric(server.url, "pumice_batch_size_count", model="gated")
    with busy(server.url, "gated", tmp_path / "gate"):
        answer = infer(server.url, "gated", headers={"x-timeout-ms": "500"})
        assert answer.status_code == 504
        assert "deadline" in answer.json()["error"]
    assert metric(server.url, "pumice_batch_size_count", model="gated") == before + 1


def test_a_caller_that_goes_away_takes_its_request_along(server: RunningServer, tmp_path: Path) -> None:
    before = metric(server.url, "pumice_batch_size_count", model="gated")
    with busy(server.url, "gated", tmp_path / "gate"):
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{server.url}/v2/models/gated/infer", json=body(), timeout=httpx.Timeout(30, read=0.2))
        # the server looks at its connections in turn: when this one is answered it has seen the other one's end
        assert metric(server.url, "pumice_inflight_requests", model="gated") >= 1
    assert output(infer(server.url, "gated")) == [2, 4, 6, 8]
    assert metric(server.url, "pumice_batch_size_count", model="gated") == before + 2


def test_urgent_requests_overtake(server: RunningServer, tmp_path: Path) -> None:
    # parameters of their own keep the two from sharing a batch
    calls = [
        partial(infer, server.url, "turns", parameters={"priority": priority, "mark": priority}) for priority in (9, 1)
    ]
    usual, urgent = behind(server.url, "turns", tmp_path / "gate", list(calls))
    assert output(urgent)[0] < output(usual)[0]


def test_trace_contexts_reach_the_model(server: RunningServer) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    answer = infer(server.url, "traced", headers={"traceparent": trace})
    assert answer.json()["outputs"][0]["data"] == [trace]
    assert infer(server.url, "traced").json()["outputs"][0]["data"] == [""]


def test_large_tensors_cross_in_shared_memory(server: RunningServer) -> None:
    from pumice import Client

    image = np.random.default_rng(0).random((3, 3, 224, 224), dtype=np.float32)
    with Client(server.url) as client:
        for _ in range(3):
            np.testing.assert_array_equal(client.infer("big", {"image": image})["same"], image)


def test_every_datatype_comes_back(server: RunningServer) -> None:
    from pumice import Client

    inputs = {
        "half": np.array([[1.5, -2.25]], np.float16),
        "long": np.array([2**62], np.int64),
        "flag": np.array([[True, False, True]]),
        "double": np.full((1, 2, 2), 1e300),
    }
    with Client(server.url) as client:
        for binary in (True, False):
            outputs = client.infer("mixed", inputs, binary=binary)
            for name, array in inputs.items():
                np.testing.assert_array_equal(outputs[f"{name}_out"], array)


def test_any_bytes_reach_a_python_model(server: RunningServer) -> None:
    from pumice import Client

    with Client(server.url) as client:
        loud = client.infer("shout", {"text": np.array([b"abc\xff\x00", "好b".encode()], dtype=object)})["loud"]
    assert loud.tolist() == [b"ABC\xff\x00", "好B".encode()]
