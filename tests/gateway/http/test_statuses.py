"""Every status that the interface names, brought about on every face that can."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

ROW = [1, 2, 3, 4]
ROWS = {"instances": [ROW]}
TENSOR = {"name": "x", "datatype": "FP32", "shape": [1, 4], "data": ROW}


def predict(model: str) -> str:
    return f"/v1/models/{model}:predict"


CASES: list[tuple[int, str, dict[str, Any]]] = [
    # malformed
    (400, predict("double"), {"content": b"{"}),
    (400, predict("double"), {"json": {}}),
    (400, predict("double"), {"json": ROWS, "headers": {"x-timeout-ms": "soon"}}),
    (400, predict("double"), {"content": b"x", "headers": {"content-encoding": "gzip"}}),
    (400, "/predict", {"content": b"[1"}),
    (400, "/predict", {"json": {"model": "double"}}),
    (400, "/predict", {"json": {"model": "double", "text": "a", "inputs": [TENSOR]}}),
    (400, "/predict", {"json": {"inputs": [TENSOR]}}),  # several are served
    (400, "/predict", {"json": {"model": "double", "inputs": [TENSOR], "colour": 1}}),
    (400, "/predict", {"json": {"model": "double", "inputs": [TENSOR | {"shape": [1, 5]}]}}),
    (400, "/predict", {"json": {"model": "double", "inputs": [TENSOR], "parameters": {"priority": 99}}}),
    (400, "/v2/repository/index", {"content": b"{"}),
    (400, "/v2/repository/models/double/load", {"json": {"parameters": {"colour": "blue"}}}),
    (400, "/v2/repository/models/double/load", {"json": {"parameters": {"config": "{"}}}),
    (400, "/v2/repository/models/double/load", {"json": {"parameters": {"config": '{"colour": "blue"}'}}}),
    (400, "/v2/repository/models/double/load", {"json": {"parameters": {"file:../x": "AA=="}}}),
    (400, "/v2/repository/models/double/load", {"json": {"parameters": {"file:x": "no base64"}}}),
    (400, "/v2/repository/models/double/unload", {"json": {"parameters": {"unload_dependents": "yes"}}}),
    (403, "/v2/repository/models/other/load", {"json": {"parameters": {"config": '{"source": "/etc"}'}}}),
    (404, "/v2/repository/models/other/load", {}),
    (404, "/v2/repository/models/other/unload", {}),
    (404, "/v2/repository/models/double/unload", {"json": {"parameters": {"version": "9"}}}),
    # unknown
    (404, predict("none"), {"json": ROWS}),
    (404, "/v1/models/double/versions/9:predict", {"json": ROWS}),
    (404, "/predict", {"json": {"model": "none", "inputs": [TENSOR]}}),
    (404, "/predict", {"json": {"model": "double", "version": "9", "inputs": [TENSOR]}}),
    # too large
    (413, predict("double"), {"content": bytes(200_000)}),
    (413, "/predict", {"content": bytes(200_000)}),
    (413, "/v2/repository/index", {"content": bytes(200_000)}),
    # does not fit
    (422, predict("double"), {"json": {"instances": [[1, 2, 3]]}}),
    (422, predict("double"), {"json": {"instances": [["a", "b", "c", "d"]]}}),
    (422, predict("double"), {"json": {"instances": [{"z": ROW}]}}),
    (422, predict("pair"), {"json": {"instances": [{"text": "a"}]}}),
    (422, predict("sentiment"), {"json": {"instances": ["zero\u200bwidth"]}}),
    (422, "/predict", {"json": {"model": "double", "inputs": [TENSOR | {"shape": [2, 2]}]}}),
    (422, "/predict", {"json": {"model": "double", "text": "a"}}),
    (422, "/predict", {"json": {"model": "sentiment", "text": []}}),
    (422, "/predict", {"json": {"model": "sentiment", "text": "zero\u200bwidth"}}),
    # the model
    (500, predict("fails"), {"json": ROWS}),
    (500, predict("explodes"), {"json": ROWS}),
    # not supported
    (501, "/v1/models/double:explain", {"json": ROWS}),
    (501, "/predict", {"json": {"model": "double", "inputs": [TENSOR], "parameters": {"sequence_id": 7}}}),
    # later
    (503, predict("loading"), {"json": ROWS}),
    (503, predict("down"), {"json": ROWS}),
    (503, predict("full"), {"json": ROWS}),
    # too late
    (504, predict("slow"), {"json": ROWS, "headers": {"x-timeout-ms": "0.000001"}}),
    (504, "/predict", {"json": {"model": "slow", "inputs": [TENSOR]}, "headers": {"x-timeout-ms": "0.000001"}}),
]


@pytest.mark.parametrize(("status", "path", "request_"), CASES)
def test_status(trouble: httpx.Client, status: int, path: str, request_: dict[str, Any]) -> None:
    answer = trouble.post(path, **request_)
    assert answer.status_code == status, answer.text
    assert ("retry-after" in answer.headers) == (status == 503)
    told = answer.json()
    if path == "/predict":
        assert answer.headers["content-type"] == "application/problem+json"
        assert told["status"] == status
        assert told["title"]
        assert told["detail"]
        assert told["type"].startswith("urn:pumice:error:")
    else:
        assert answer.headers["content-type"] == "application/json"
        assert list(told) == ["error"]
        assert told["error"]


GETS = [
    (200, "/v2"),
    (200, "/v2/models"),
    (200, "/v2/models/double"),
    (404, "/v2/models/none"),
    (404, "/v2/models/double/versions/9"),
    (404, "/v2/models/double/versions/9/ready"),
    (503, "/v2/models/loading"),
    (503, "/v2/models/loading/ready"),
    (503, "/v2/models/down/ready"),
    (200, "/v2/models/down"),
    (200, "/v2/health/live"),
    (503, "/v2/health/ready"),
    (200, "/livez"),
    (200, "/healthz"),
    (503, "/readyz"),
    (503, "/health"),
    (503, "/ping"),
    (200, "/v1/models"),
    (404, "/v1/models/none"),
    (503, "/v1/models/loading"),
    (404, "/result/none"),
]


@pytest.mark.parametrize(("status", "path"), GETS)
def test_status_of_a_look(trouble: httpx.Client, status: int, path: str) -> None:
    answer = trouble.get(path)
    assert answer.status_code == status, answer.text
    assert ("retry-after" in answer.headers) == (status == 503)
