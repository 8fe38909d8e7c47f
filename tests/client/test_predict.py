"""`predict`: plain items in, one plain result an item out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from pumice import Client
from pumice.client import BadAnswer
from pumice.domain.errors import SignatureMismatch, Unfit
from tests.client.scripted import ScriptedServer, answer

TEXT = {"name": "text", "datatype": "BYTES", "shape": [-1]}
LABEL = {"name": "label", "datatype": "BYTES", "shape": [-1]}
SCORE = {"name": "score", "datatype": "FP32", "shape": [-1]}


def about(inputs: Sequence[Any], outputs: Sequence[Any], **more: Any) -> bytes:
    return answer(body={"name": "m", "inputs": inputs, "outputs": outputs} | more)


def outputs(*tensors: Any) -> bytes:
    return answer(body={"model_name": "m", "outputs": tensors})


def filled(spec: dict[str, Any], shape: list[int], data: list[Any]) -> dict[str, Any]:
    return spec | {"shape": shape, "data": data}


def test_texts_get_a_label_and_a_score_each() -> None:
    two = outputs(filled(LABEL, [2], ["pos", "neg"]), filled(SCORE, [2], [0.5, 0.75]))
    one = outputs(filled(LABEL, [1], ["pos"]), filled(SCORE, [1], [0.5]))
    with ScriptedServer([about([TEXT], [LABEL, SCORE]), two, one]) as server, Client(server.url) as client:
        assert client.predict("m", ["很好", b"bad"]) == [
            {"label": "pos", "score": 0.5},
            {"label": "neg", "score": 0.75},
        ]
        assert client.predict("m", "很好") == [{"label": "pos", "score": 0.5}]
        assert client.predict("m", []) == []
    assert [seen.method for seen in server.seen] == ["GET", "POST", "POST"]  # the metadata are asked for once
    assert server.seen[1].json()["inputs"][0]["shape"] == [2]


def test_embeddings_are_vectors() -> None:
    spec = {"name": "embedding", "datatype": "FP32", "shape": [-1, 2]}
    two = outputs(filled(spec, [2, 2], [1, 2, 3, 4]))
    with ScriptedServer([about([TEXT], [spec]), two]) as server, Client(server.url) as client:
        vectors = client.predict("m", ("a", "b"))
    assert [vector.tolist() for vector in vectors] == [[1, 2], [3, 4]]


def test_the_servers_word_on_the_task_counts() -> None:
    two = outputs(filled(LABEL, [1], ["pos"]), filled(SCORE, [1], [0.5]))
    raw = about([TEXT], [LABEL, SCORE], parameters={"task": "tensor"})
    with ScriptedServer([raw, two]) as server, Client(server.url) as client:
        (row,) = client.predict("m", "a")
    assert (row["label"], row["score"]) == (b"pos", 0.5)


def test_rows_of_tensors_take_the_models_type() -> None:
    x = {"name": "x", "datatype": "FP32", "shape": [-1, 2]}
    y = {"name": "y", "datatype": "FP32", "shape": [-1]}
    two = outputs(filled(y, [2], [3, 7]))
    with ScriptedServer([about([x], [y]), two]) as server, Client(server.url) as client:
        assert client.predict("m", [[1, 2], [3, 4]]) == [3, 7]
    sent = server.seen[1].json()["inputs"][0]
    assert (sent["datatype"], sent["shape"]) == ("FP32", [2, 2])
    assert server.seen[1].body.endswith(np.array([1, 2, 3, 4], np.float32).tobytes())


def test_without_a_batch_axis_every_item_is_a_request() -> None:
    x = {"name": "x", "datatype": "INT64", "shape": [2]}
    y = {"name": "y", "datatype": "INT64", "shape": []}
    script = [about([x], [y]), outputs(filled(y, [], [3])), outputs(filled(y, [], [7]))]
    with ScriptedServer(script) as server, Client(server.url) as client:
        assert [int(result) for result in client.predict("m", [[1, 2], [3, 4]])] == [3, 7]
    assert [seen.json()["inputs"][0]["shape"] for seen in server.seen[1:]] == [[2], [2]]


@pytest.mark.parametrize(
    ("inputs", "items"),
    [
        ([TEXT, SCORE], ["a"]),
        ([{"name": "x", "datatype": "FP32", "shape": [-1, 2]}], [[1, 2], [3]]),
        ([{"name": "x", "datatype": "FP32", "shape": [-1]}], ["a text"]),
        ([{"name": "x", "datatype": "UINT8", "shape": [-1]}], [300]),
    ],
)
def test_items_that_do_not_make_up_the_input_are_refused(inputs: Any, items: Any) -> None:
    with (
        ScriptedServer([about(inputs, [SCORE])]) as server,
        Client(server.url) as client,
        pytest.raises(SignatureMismatch, match="of model 'm'"),
    ):
        client.predict("m", items)
    assert len(server.seen) == 1


def test_optional_inputs_may_stay_away() -> None:
    optional = {"name": "k", "datatype": "INT64", "shape": [-1], "optional": True}
    two = outputs(filled(LABEL, [1], ["pos"]), filled(SCORE, [1], [0.5]))
    with ScriptedServer([about([TEXT, optional], [LABEL, SCORE]), two]) as server, Client(server.url) as client:
        assert client.predict("m", "a") == [{"label": "pos", "score": 0.5}]


def test_fewer_results_than_items_are_no_answer() -> None:
    one = outputs(filled(LABEL, [1], ["pos"]), filled(SCORE, [1], [0.5]))
    with (
        ScriptedServer([about([TEXT], [LABEL, SCORE]), one]) as server,
        Client(server.url) as client,
        pytest.raises(BadAnswer, match="2 items were sent"),
    ):
        client.predict("m", ["a", "b"])


def test_a_refusal_makes_it_ask_anew_what_the_model_is() -> None:
    metadata = about([TEXT], [LABEL, SCORE])
    with ScriptedServer([metadata, answer(422, {"error": "not so"}), metadata]) as server, Client(server.url) as client:
        with pytest.raises(Unfit, match="not so"):
            client.predict("m", "a")
        with pytest.raises(BadAnswer):
            client.predict("m", "a")
    assert [seen.method for seen in server.seen] == ["GET", "POST", "GET", "POST"]
