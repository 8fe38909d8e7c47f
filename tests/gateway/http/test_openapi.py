"""The OpenAPI document: whole, consistent, and true."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from pumice.domain.errors import ExchangeFailed, LoadRefused, PumiceError, VersionInUse
from pumice.gateway.http.app import HttpContext, all_endpoints
from pumice.gateway.http.errors import STATUSES
from pumice.gateway.http.hot.refusals import CODES
from pumice.gateway.http.openapi import CONNECTION, GROUPS, HEADERS, QUERY
from pumice.service.catalog import Catalog
from pumice.service.inference import Inference
from pumice.service.store import Store
from pumice.service.store.opened import OpenStore
from pumice.service.tasks import Tasks
from tests.support.known import models_of

Json = dict[str, Any]


@pytest.fixture(scope="module")
def document(client: httpx.Client) -> Json:
    answer = client.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    told: Json = answer.json()
    return told


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def references(part: object) -> Iterator[str]:
    if isinstance(part, dict):
        for key, value in part.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


def test_every_route_with_words_is_in_it(document: Json) -> None:
    inference = Inference(Catalog())
    models = models_of(inference.catalog)
    context = HttpContext(inference, Tasks(inference, Path("/nowhere")), models, OpenStore(Store), max_body_bytes=1)
    routes = {(endpoint.path, endpoint.method.lower()) for endpoint in all_endpoints(context) if endpoint.doc}
    assert {(path, method) for path, method, _ in operations(document)} == routes
    for wanted in ("/v2/models/{model}/infer", "/v1/models/{model}:predict", "/predict", "/metrics", "/"):
        assert wanted in document["paths"]


def test_references_lead_somewhere_and_nothing_is_left_over(document: Json) -> None:
    parts = {
        f"#/components/{kind}/{name}" for kind in ("schemas", "responses") for name in document["components"][kind]
    }
    assert set(references(document)) == parts


def test_every_operation_is_whole(document: Json) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(ids)) == len(ids)
    for path, method, operation in operations(document):
        assert operation["summary"], path
        assert operation["x-zh"], path
        assert set(operation["tags"]) <= set(GROUPS)
        in_path = [p["name"] for p in operation["parameters"] if p["in"] == "path"]
        assert in_path == re.findall(r"{(\w+)}", path)
        assert {p["name"] for p in operation["parameters"] if p["in"] == "header"} <= set(HEADERS)
        assert {p["name"] for p in operation["parameters"] if p["in"] == "query"} <= set(QUERY)
        assert "500" in operation["responses"]
        assert ("requestBody" in operation) <= (method in {"post", "put"})
        for response in operation["responses"].values():
            if "$ref" in response:
                continue
            assert response["description"]
            assert response["x-zh"]


def test_errors_have_the_shape_of_their_path(document: Json) -> None:
    for path, _, operation in operations(document):
        content = operation["responses"]["500"]["content"]
        oip = path.startswith(("/v2", "/v1/models"))
        assert list(content) == ["application/json" if oip else "application/problem+json"], path


def test_statuses_are_those_of_the_table(document: Json) -> None:
    infer = document["paths"]["/v2/models/{model}/infer"]["post"]["responses"]
    # what is loaded from where, and what the store keeps, is no matter of inference
    ours = {str(status) for kind, status in STATUSES.items() if kind not in (ExchangeFailed, LoadRefused, VersionInUse)}
    assert set(infer) == {"200"} | ours | set(map(str, CONNECTION))
    assert "retry-after" in infer["503"]["headers"]
    assert STATUSES[PumiceError] == 500


def test_what_a_connection_may_answer_is_told_of_every_route(document: Json) -> None:
    assert set(map(int, document["components"]["responses"])) == set(CONNECTION) == set(CODES)
    for path, _, operation in operations(document):
        assert set(document["components"]["responses"]) <= set(operation["responses"]), path
        refusal = operation["responses"]["503"]
        assert "$ref" in refusal or "application/problem+json" in refusal["content"], path


def test_what_docstrings_say_of_attributes_is_with_the_properties(document: Json) -> None:
    problem = document["components"]["schemas"]["Problem"]
    assert problem["description"] == "A problem document (RFC 9457)."
    assert problem["properties"]["type"]["description"] == "`urn:pumice:error:<code>`."
    for schema in document["components"]["schemas"].values():
        assert "Attributes:" not in schema["description"]


@pytest.mark.parametrize("path", ["/v2", "/v2/models", "/v2/models/double", "/v1/models", "/v1/models/double", "/"])
def test_answers_have_the_members_that_the_document_says(client: httpx.Client, document: Json, path: str) -> None:
    template = path.replace("double", "{model}")
    reference = document["paths"][template]["get"]["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
    schema = document["components"]["schemas"][reference.rpartition("/")[2]]
    told = client.get(path).json()
    assert set(told) <= set(schema["properties"])
    assert set(told) >= set(schema["required"])


def test_every_documented_get_answers(client: httpx.Client, document: Json) -> None:
    fill = {"{model}": "double", "{version}": "1", "{task_id}": "none", "{region}": "none"}
    for path, method, operation in operations(document):
        if method == "get":
            for name, value in fill.items():
                path = path.replace(name, value)  # noqa: PLW2901
            assert str(client.get(path).status_code) in operation["responses"], path
