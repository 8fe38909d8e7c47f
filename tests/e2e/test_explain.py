"""KServe's ``:explain``, by a model's own method in its replica."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.support.server import RunningServer
from tests.support.wire import infer


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with RunningServer("explained=tests.support.models:Explained", "double=tests.support.models:Doubler") as running:
        yield running


def explain(server: RunningServer, model: str, body: dict[str, object]) -> httpx.Response:
    return httpx.post(f"{server.url}/v1/models/{model}:explain", json=body, timeout=60)


def test_rows_are_explained(server: RunningServer) -> None:
    answer = explain(server, "explained", {"instances": [[1, 2, 3, 0], [9, 2, 3, 0]]})
    assert answer.json() == {"explanations": [{"most": 2, "name": "x"}, {"most": 0, "name": "x"}]}
    columns = explain(server, "explained", {"inputs": {"x": [[1, 2, 3, 0]]}})
    assert columns.json() == {"explanations": {"most": [2], "name": ["x"]}}


def test_a_model_without_the_method_says_so(server: RunningServer) -> None:
    answer = explain(server, "double", {"instances": [[1, 2, 3, 0]]})
    assert answer.status_code == 501
    assert "no method 'explain'" in answer.json()["error"]


def test_an_explanation_that_cannot_be_sent_is_the_models_error(server: RunningServer) -> None:
    answer = explain(server, "explained", {"instances": [[13, 2, 3, 0]]})
    assert answer.status_code == 500
    assert "explanation 'odd'" in answer.json()["error"]
    assert explain(server, "explained", {"instances": [[1, 2, 3, 0]]}).status_code == 200


def test_no_other_door_leads_there(server: RunningServer) -> None:
    refused = infer(server.url, "explained", parameters={"pumice.explain": True})
    assert refused.status_code == 400
