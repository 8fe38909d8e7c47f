"""Batches: formed from what waits, never mixed, cut apart rightly."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import httpx
import numpy as np

from tests.support.server import RunningServer
from tests.support.wire import at_once, infer, metric, output


def _behind_a_busy_replica(url: str, calls: list[partial[httpx.Response]]) -> list[httpx.Response]:
    """Make the calls while the model's only replica is busy with one that takes 400 ms."""
    with ThreadPoolExecutor(1) as pool:
        busy = pool.submit(infer, url, "slow", [400, 0, 0, 0])
        while not metric(url, "pumice_inflight_requests", model="slow"):
            assert not busy.done()
        answers = at_once(list(calls))
        assert busy.result().status_code == 200
    return answers


def test_requests_that_wait_go_together(server: RunningServer) -> None:
    before = metric(server.url, "pumice_batch_size_count", model="slow")
    answers = _behind_a_busy_replica(server.url, [partial(infer, server.url, "slow", [i, 0, 0, 0]) for i in range(20)])
    assert [output(answer)[0] for answer in answers] == [2.0 * i for i in range(20)]
    assert metric(server.url, "pumice_batch_size_count", model="slow") - before < 21


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


def test_a_late_request_is_dropped_and_told(server: RunningServer) -> None:
    late = partial(infer, server.url, "slow", [1, 0, 0, 0], headers={"x-timeout-ms": "50"})
    answer = _behind_a_busy_replica(server.url, [late])[0]
    assert answer.status_code == 504
    assert "deadline" in answer.json()["error"]


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
