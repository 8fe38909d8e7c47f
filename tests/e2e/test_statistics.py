"""Configuration and statistics as Triton's own clients read them, over HTTP and gRPC, and that they add up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.grpc as triton_grpc  # type: ignore[import-untyped]
import tritonclient.http as triton_http  # type: ignore[import-untyped]

from tests.support.server import RunningServer
from tests.support.wire import infer, metric

MODELS = (
    "double=tests.support.models:Doubler",
    "shout=tests.support.models:Shout",
    "picky=tests.support.models:Picky",
    "calls=tests.support.models:Calls",
)


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with RunningServer(*MODELS, "--max-batch-size", "8", "--cache-size", "100000") as running:
        yield running


@pytest.fixture
def http(server: RunningServer) -> Iterator[Any]:
    with triton_http.InferenceServerClient(server.url.removeprefix("http://")) as client:
        yield client


@pytest.fixture
def grpc(server: RunningServer) -> Iterator[Any]:
    with triton_grpc.InferenceServerClient(server.grpc) as client:
        yield client


def of(http: Any, model: str) -> dict[str, Any]:
    [stats] = http.get_inference_statistics(model)["model_stats"]
    return dict(stats)


def test_configuration_is_the_same_over_both(http: Any, grpc: Any) -> None:
    config = http.get_model_config("double")
    assert config["max_batch_size"] == 8
    assert config["input"] == [{"name": "x", "data_type": "TYPE_FP32", "dims": [4]}]
    assert config["dynamic_batching"]["max_queue_delay_microseconds"] == 0
    assert config["model_transaction_policy"] == {"decoupled": False}
    assert config["response_cache"] == {"enable": True}
    message = grpc.get_model_config("double").config
    assert (message.name, message.max_batch_size, message.backend) == ("double", 8, "python")
    assert [(t.name, list(t.dims)) for t in message.output] == [("y", [4])]
    assert message.instance_group[0].count == config["instance_group"][0]["count"] == 1


def test_a_tensor_of_nothing_but_the_batch_has_one_dimension(http: Any) -> None:
    [tensor] = http.get_model_config("shout", "1")["input"]
    assert tensor == {"name": "text", "data_type": "TYPE_STRING", "dims": [1], "reshape": {"shape": []}}


def test_statistics_add_up(server: RunningServer, http: Any, grpc: Any) -> None:
    for rows in (np.full((1, 4), 1), np.full((1, 4), 2), np.full((3, 4), 3)):
        assert infer(server.url, "picky", rows).status_code == 200
    assert infer(server.url, "picky", np.full((1, 4), 13)).status_code == 500
    stats = of(http, "picky")
    assert (stats["inference_count"], stats["execution_count"]) == (5, 3)
    times = stats["inference_stats"]
    assert (times["success"]["count"], times["fail"]["count"], times["queue"]["count"]) == (3, 1, 4)
    parts = ("compute_input", "compute_infer", "compute_output")
    assert all(times[part]["count"] == 3 and times[part]["ns"] > 0 for part in parts)
    assert sum(times[part]["ns"] for part in parts) <= times["success"]["ns"]
    by_size = {batch["batch_size"]: batch["compute_infer"] for batch in stats["batch_stats"]}
    assert {size: told["count"] for size, told in by_size.items()} == {1: 2, 3: 1}
    # each request ran alone, so requests and batches took the same time
    assert abs(sum(told["ns"] for told in by_size.values()) - times["compute_infer"]["ns"]) <= 3
    assert stats["last_inference"] > 1_700_000_000_000

    assert metric(server.url, "nv_inference_request_success", model="picky") == 3
    assert metric(server.url, "nv_inference_request_failure", model="picky", reason="BACKEND") == 1
    assert metric(server.url, "nv_inference_count", model="picky") == 5
    assert metric(server.url, "nv_inference_exec_count", model="picky") == 3
    told = metric(server.url, "nv_inference_compute_infer_duration_us", model="picky")
    assert abs(told - times["compute_infer"]["ns"] / 1000) <= 1

    [message] = grpc.get_inference_statistics("picky", "1").model_stats
    assert (message.inference_count, message.execution_count) == (5, 3)
    assert message.inference_stats.success.ns == times["success"]["ns"]


def test_the_cache_is_counted(server: RunningServer, http: Any) -> None:
    for _ in range(3):
        assert infer(server.url, "calls").status_code == 200
    times = of(http, "calls")["inference_stats"]
    assert (times["cache_hit"]["count"], times["cache_miss"]["count"]) == (2, 1)
    assert times["cache_hit"]["ns"] > 0
    assert (times["success"]["count"], times["compute_infer"]["count"]) == (3, 1)


def test_statistics_of_everything_and_of_nobody(server: RunningServer, http: Any, grpc: Any) -> None:
    assert {entry["name"] for entry in http.get_inference_statistics()["model_stats"]} == {
        "double",
        "shout",
        "picky",
        "calls",
    }
    assert len(grpc.get_inference_statistics().model_stats) == 4
    for path in ("stats", "config"):
        assert httpx.get(f"{server.url}/v2/models/nobody/{path}").status_code == 404
