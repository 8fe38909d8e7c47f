"""Metadata, readiness and the repository of the Open Inference Protocol."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx
import pytest

from pumice import __version__
from tests.gateway.http.local import ODD_NAME


def test_server_metadata(client: httpx.Client) -> None:
    told = client.get("/v2").json()
    assert told["name"] == "pumice"
    assert told["version"] == __version__
    assert "binary_tensor_data" in told["extensions"]


def test_model_metadata(client: httpx.Client) -> None:
    expected = {
        "name": "double",
        "versions": ["1", "2"],
        "platform": "python",
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 4]}],
    }
    told = client.get("/v2/models/double").json()
    assert told.pop("parameters")["task"] == "tensor"
    assert told == expected
    assert client.get("/v2/models/double/versions/1").json().keys() == told.keys() | {"parameters"}


def test_names_with_odd_characters(client: httpx.Client) -> None:
    path = f"/v2/models/{quote(ODD_NAME, safe='')}"
    assert client.get(path).json()["name"] == ODD_NAME
    assert client.get(f"{path}/versions/1/ready").json() == {"name": ODD_NAME, "ready": True}
    assert ODD_NAME in client.get("/v2/models").json()["models"]


@pytest.mark.parametrize("name", ["%2e%2e", "a%00b", "%ff", "%", "x" * 2000])
def test_names_that_nobody_has(client: httpx.Client, name: str) -> None:
    answer = client.get(f"/v2/models/{name}")
    assert answer.status_code == 404
    assert answer.json()["error"]


def test_model_ready(client: httpx.Client, trouble: httpx.Client) -> None:
    assert client.get("/v2/models/double/ready").json() == {"name": "double", "ready": True}
    assert trouble.get("/v2/models/down/ready").json() == {
        "name": "down",
        "ready": False,
        "reason": "its weights are gone",
    }


@pytest.mark.parametrize("body", [b"", b"{}", b'{"ready": false}', b'{"ready": false, "repository_name": ""}'])
def test_repository_index(trouble: httpx.Client, body: bytes) -> None:
    entries: list[dict[str, Any]] = trouble.post("/v2/repository/index", content=body).json()
    by_name = {(entry["name"], entry["version"]): entry for entry in entries}
    assert by_name["double", "2"] == {"name": "double", "version": "2", "state": "READY", "reason": ""}
    assert by_name["loading", "1"]["state"] == "LOADING"
    assert by_name["down", "1"]["state"] == "UNAVAILABLE"
    assert by_name["down", "1"]["reason"] == "its weights are gone"


def test_repository_index_of_the_ready(trouble: httpx.Client) -> None:
    entries = trouble.post("/v2/repository/index", json={"ready": True}).json()
    assert {entry["state"] for entry in entries} == {"READY"}
    assert "down" not in {entry["name"] for entry in entries}
