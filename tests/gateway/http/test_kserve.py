"""KServe v1 and TensorFlow Serving's predict over real sockets."""

from __future__ import annotations

import gzip
import json
import time
import zlib
from urllib.parse import quote

import httpx
import pytest

from tests.gateway.http.local import ODD_NAME, LocalServer

ROWS = {"instances": [[1, 2, 3, 4], [5, 6, 7, 8]]}
DOUBLED = [[2.0, 4.0, 6.0, 8.0], [10.0, 12.0, 14.0, 16.0]]


def test_the_list_of_models_is_kserves_and_openais(client: httpx.Client) -> None:
    told = client.get("/v1/models").json()
    assert told["models"][:2] == ["double", "sentiment"]
    assert told["object"] == "list"
    assert told["data"][0] == {"id": "double", "object": "model", "created": 1_700_000_000, "owned_by": "pumice"}
    assert [model["id"] for model in told["data"]] == told["models"]


def test_a_model_is_kserves_and_openais(client: httpx.Client) -> None:
    assert client.get("/v1/models/double").json() == {
        "name": "double",
        "ready": True,
        "id": "double",
        "object": "model",
        "created": 1_700_000_000,
        "owned_by": "pumice",
    }


@pytest.mark.parametrize("path", ["double", "double/versions/1", "double/versions/2", quote(ODD_NAME, safe="")])
def test_rows(client: httpx.Client, path: str) -> None:
    answer = client.post(f"/v1/models/{path}:predict", json=ROWS)
    assert answer.json() == {"predictions": DOUBLED}


def test_the_version_that_answered_is_told(client: httpx.Client) -> None:
    assert client.post("/v1/models/double:predict", json=ROWS).headers["x-model-version"] == "2"
    assert client.post("/v1/models/double/versions/1:predict", json=ROWS).headers["x-model-version"] == "1"


def test_columns(client: httpx.Client) -> None:
    answer = client.post("/v1/models/double:predict", json={"inputs": {"x": ROWS["instances"]}})
    assert answer.json() == {"outputs": DOUBLED}


def test_texts(client: httpx.Client) -> None:
    answer = client.post("/v1/models/sentiment:predict", json={"instances": ["很好", "bad"]})
    assert answer.json() == {
        "predictions": [
            {"label": "positive", "score": 0.75, "scores": [0.25, 0.75]},
            {"label": "negative", "score": 0.875, "scores": [0.875, 0.125]},
        ]
    }


def test_embeddings(client: httpx.Client) -> None:
    answer = client.post("/v1/models/embed:predict", json={"instances": ["abc"]})
    assert answer.json() == {"predictions": [[3.0, 0.5]]}


def test_several_inputs_and_outputs_and_base64(client: httpx.Client) -> None:
    instances = [{"text": {"b64": "YWI="}, "x": [1, 2]}, {"text": "c", "x": [3, 4]}]
    answer = client.post("/v1/models/pair:predict", json={"instances": instances})
    assert answer.json() == {"predictions": [{"text": "ab", "sum": 3.0}, {"text": "c", "sum": 7.0}]}


def test_a_model_without_a_batch(client: httpx.Client) -> None:
    answer = client.post("/v1/models/whole:predict", json={"instances": [[[1, 2], [3, 4]]]})
    assert answer.json() == {"predictions": [10.0]}


def test_compressed_bodies(client: httpx.Client) -> None:
    body = json.dumps(ROWS).encode()
    for coding, packed in (("gzip", gzip.compress(body)), ("deflate", zlib.compress(body))):
        answer = client.post("/v1/models/double:predict", content=packed, headers={"content-encoding": coding})
        assert answer.json() == {"predictions": DOUBLED}


def test_what_a_request_carries_reaches_the_model(client: httpx.Client, healthy: LocalServer) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    headers = {"x-request-id": "carried", "traceparent": trace, "x-timeout-ms": "5000"}
    before = time.monotonic()
    client.post("/v1/models/double:predict", json=ROWS | {"parameters": {"beta": 2}}, headers=headers)
    seen = next(request for request in healthy.version("double").seen if request.request_id == "carried")
    assert seen.traceparent == trace
    assert seen.caller == "127.0.0.1"
    assert seen.parameters == {"beta": 2}
    assert seen.deadline is not None
    assert before + 4 < seen.deadline < time.monotonic() + 5


def test_answers_are_counted(trouble: httpx.Client, troubled: LocalServer) -> None:
    for path, status in (("fails", 500), ("full", 503), ("embed", 200)):
        stats = troubled.version(path).stats
        before = stats.requests["kserve-v1", str(status)], stats.request_seconds.count
        instances = ["a"] if path == "embed" else [[1, 2, 3, 4]]
        trouble.post(f"/v1/models/{path}:predict", json={"instances": instances})
        assert (stats.requests["kserve-v1", str(status)], stats.request_seconds.count) == (before[0] + 1, before[1] + 1)
