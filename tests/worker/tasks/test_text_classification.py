"""The task `text-classification`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pumice.domain.errors import BadArtefact, BadOutput, BadSetting, MalformedInput, MissingDependency
from pumice.domain.signature import Signature, Tensor
from pumice.runtime.worker.tasks import Pipeline
from tests.engines.arrays import texts
from tests.engines.graphs import mlp, node, save, tensor
from tests.worker.tasks.files import LABELS, pipeline, save_classifier, save_tokenizer

TEXTS = ("good", "bad", "very good", "not very bad", "", "a b c " * 40 + "bad", "good " * 90)


def classifier(folder: Path, path: Path | None = None, **manifest: Any) -> Pipeline:
    tokenizer = folder / "tokenizer.json"
    if not tokenizer.exists():
        save_tokenizer(tokenizer)
    said = {"task": "text-classification", "labels": LABELS, "tokenizer": str(tokenizer)} | manifest
    return pipeline(path or save_classifier(folder / "m.onnx"), **said)


def logits_of(text: str) -> np.ndarray:
    """What the graph should make of a text."""
    add = {"good": (0, 2), "bad": (2, 0), "very": (0, 1), "not": (1, 0)}
    words = [(0.5, 0.25), *(add.get(word, (0, 0)) for word in text.split())]
    return np.asarray(np.array(words).sum(axis=0))


def test_the_served_signature(tmp_path: Path) -> None:
    made = classifier(tmp_path)
    assert made.batchable
    assert made.signature == Signature(
        inputs=[Tensor("text", "BYTES", [-1])],
        outputs=[Tensor("label", "BYTES", [-1]), Tensor("score", "FP32", [-1]), Tensor("scores", "FP32", [-1, 2])],
    )


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("mask", [True, False])
def test_texts_of_all_lengths_are_classified_in_order(tmp_path: Path, threads: int, mask: bool) -> None:
    # a graph without a mask and a tokenizer without padding: only texts of one length may run together
    tokenizer = save_tokenizer(tmp_path / "tokenizer.json", pad=mask)
    path = save_classifier(tmp_path / "m.onnx", mask=mask)
    made = classifier(tmp_path, path, threads=threads, tokenizer=str(tokenizer))
    answer = made.run({"text": texts(*TEXTS)}, {})
    for row, text in enumerate(TEXTS):
        powers = np.exp(logits_of(text))
        np.testing.assert_allclose(answer["scores"][row], powers / powers.sum(), rtol=1e-4, atol=1e-6)
        assert answer["label"][row] == LABELS[int(powers.argmax())].encode()
        assert answer["score"][row] == answer["scores"][row].max()
    assert answer["scores"].dtype == np.float32


def test_a_row_does_not_see_its_neighbours(tmp_path: Path) -> None:
    made = classifier(tmp_path)
    together = made.run({"text": texts(*TEXTS)}, {})
    for row, text in enumerate(TEXTS):
        alone = made.run({"text": texts(text)}, {})
        np.testing.assert_allclose(alone["scores"][0], together["scores"][row], rtol=1e-5)


@pytest.mark.parametrize(("batch", "width"), [(1, "tokens"), (3, "tokens"), ("batch", 96), (2, 96)])
def test_graphs_of_fixed_size_take_any_number_of_texts(tmp_path: Path, batch: int | str, width: int | str) -> None:
    made = classifier(tmp_path, save_classifier(tmp_path / "fixed.onnx", batch, width))
    wanted = classifier(tmp_path)
    few = TEXTS[:5]
    for given in (few, few[:1]):
        answer = made.run({"text": texts(*given)}, {})
        np.testing.assert_allclose(answer["scores"], wanted.run({"text": texts(*given)}, {})["scores"], rtol=1e-5)


def test_rows_run_alone_if_the_manifest_says_so(tmp_path: Path) -> None:
    made = classifier(tmp_path, batchable=False)
    assert not made.batchable
    wanted = classifier(tmp_path).run({"text": texts(*TEXTS)}, {})["scores"]
    np.testing.assert_allclose(made.run({"text": texts(*TEXTS)}, {})["scores"], wanted, rtol=1e-5)


def test_a_text_is_cut_at_the_models_length(tmp_path: Path) -> None:
    made = classifier(tmp_path, max_length=3)  # [CLS] and two words
    assert made.run({"text": texts("good good bad bad bad bad")}, {})["label"].tolist() == [b"good"]


def test_classes_without_names_are_numbered(tmp_path: Path) -> None:
    assert classifier(tmp_path, labels=[]).run({"text": texts("good")}, {})["label"].tolist() == [b"LABEL_1"]


def test_scores_may_be_probabilities_already(tmp_path: Path) -> None:
    answer = classifier(tmp_path, probabilities=True).run({"text": texts("very good")}, {})
    np.testing.assert_allclose(answer["scores"], [[0.5, 3.25]])


def test_the_warm_up_is_a_text(tmp_path: Path) -> None:
    made = classifier(tmp_path)
    warm = made.warm_inputs()
    assert made.run({"text": np.repeat(warm["text"], 3)}, {})["label"].shape == (3,)


def test_one_text_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    with pytest.raises(MalformedInput, match=r"input 'text'\[1\]: not UTF-8"):
        classifier(tmp_path).run({"text": texts("good", b"\xff", "bad")}, {})


def test_nan_is_the_models_fault(tmp_path: Path) -> None:
    nodes = [
        node("Cast", ["input_ids"], ["floats"], to=1),
        node("ReduceSum", ["floats", "one"], ["sum"]),
        node("Log", ["minus"], ["nan"]),
        node("Mul", ["sum", "nan"], ["logits"]),
    ]
    path = save(
        tmp_path / "nan.onnx",
        nodes,
        [tensor("input_ids", "INT64", ["b", "s"])],
        [tensor("logits", "FP32", ["b", 2])],
        {"one": np.array([1]), "minus": np.array([[-1, -1]], np.float32)},
    )
    with pytest.raises(BadOutput, match="row 0 of the scores of model 'm': the model gave NaN"):
        classifier(tmp_path, path).run({"text": texts("good")}, {})


@pytest.mark.parametrize(
    ("manifest", "kind", "words"),
    [
        ({"labels": ["one"]}, BadSetting, "1 labels; allowed 2"),
        ({"tokenizer": ""}, BadSetting, "manifest 'tokenizer'"),
        ({"tokenizer": "absent.json"}, BadArtefact, "no such file"),
        ({"tokenizer": "m.onnx"}, BadArtefact, "it is no tokenizer"),
    ],
)
def test_a_manifest_that_does_not_suit(
    tmp_path: Path, manifest: dict[str, Any], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        classifier(tmp_path, **manifest)


def test_a_graph_that_does_not_suit(tmp_path: Path) -> None:
    with pytest.raises(BadArtefact, match=r"its inputs do not suit.*'x' FP32 \[-1, 16\]"):
        classifier(tmp_path, mlp(tmp_path / "mlp.onnx"), labels=list("abcd"))
    floats = save(
        tmp_path / "floats.onnx",
        [node("Identity", ["input_ids"], ["logits"])],
        [tensor("input_ids", "FP32", ["b", 2])],
        [tensor("logits", "FP32", ["b", 2])],
    )
    with pytest.raises(BadArtefact, match="must be INT64 or INT32"):
        classifier(tmp_path, floats)
    whole = save(
        tmp_path / "whole.onnx",
        [node("Identity", ["input_ids"], ["logits"])],
        [tensor("input_ids", "INT64", ["b", 2])],
        [tensor("logits", "INT64", ["b", 2])],
    )
    with pytest.raises(BadArtefact, match="no output suits the task"):
        classifier(tmp_path, whole)


def test_a_missing_library_is_named_with_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_tokenizer(tmp_path / "tokenizer.json")
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(MissingDependency, match=r"pip install 'pumice\[text\]'"):
        classifier(tmp_path)
