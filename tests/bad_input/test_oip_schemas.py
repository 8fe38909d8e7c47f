"""Answers to the routes of the Open Inference Protocol, held against the protocol's own schemas.

``open_inference_rest.yaml`` is kserve/open-inference-protocol, ``specification/protocol/open_inference_rest.yaml``, at
commit d49cc23f89d709d87b210ef9449e273ae243984e, unchanged; Apache-2.0 as its head says.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.bad_input.raw import ROW
from tests.support.server import RunningServer

SPECIFICATION = Path(__file__).with_name("open_inference_rest.yaml")
INFER = "/v2/models/double/infer"


@pytest.fixture(scope="module")
def schemas() -> dict[str, Any]:
    told: dict[str, Any] = yaml.safe_load(SPECIFICATION.read_text(encoding="utf-8"))
    return told


def fits(schemas: dict[str, Any], name: str, value: object) -> None:
    validator = import_module("jsonschema").Draft4Validator  # OpenAPI 3.0 schemas are of this kind
    validator({"$ref": f"#/components/schemas/{name}", **schemas}).validate(value)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v2", "metadata_server_response"),
        ("/v2/models/double", "metadata_model_response"),
        ("/v2/models/double/versions/1", "metadata_model_response"),
        ("/v2/models/mixed", "metadata_model_response"),
        ("/v2/models/shout", "metadata_model_response"),
        ("/v2/models/none", "metadata_model_error_response"),
        ("/v2/models/double/versions/9", "metadata_model_error_response"),
    ],
)
def test_looks(server: RunningServer, schemas: dict[str, Any], path: str, name: str) -> None:
    fits(schemas, name, httpx.get(f"{server.url}{path}").json())


@pytest.mark.parametrize("body", [ROW, ROW[:-1] + b',"id":"a","outputs":[{"name":"y"}]}'])
def test_answers(server: RunningServer, schemas: dict[str, Any], body: bytes) -> None:
    answer = httpx.post(f"{server.url}{INFER}", content=body)
    assert answer.status_code == 200
    fits(schemas, "inference_response", answer.json())


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"inputs":[]}', ROW.replace(b"1,4", b"1,5"), ROW.replace(b'"x"', b'"z"')]
)
def test_errors(server: RunningServer, schemas: dict[str, Any], body: bytes) -> None:
    answer = httpx.post(f"{server.url}{INFER}", content=body)
    assert 400 <= answer.status_code < 500
    fits(schemas, "inference_error_response", answer.json())
    assert answer.json()["error"]
