"""The task `text-embedding`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pumice.domain.errors import BadArtefact, BadOutput
from pumice.domain.signature import Signature, Tensor
from pumice.runtime.worker.tasks import Pipeline
from tests.engines.arrays import texts
from tests.engines.graphs import node, save, tensor
from tests.worker.tasks.files import WEIGHTS, WORDS, pipeline, save_encoder, save_tokenizer

TEXTS = ("good", "very bad", "a b c good", "not " * 60)


def embedder(folder: Path, path: Path | None = None, *, left: bool = False, **manifest: Any) -> Pipeline:
    padding: dict[str, Any] = {"direction": "left"} if left else {}
    tokenizer = save_tokenizer(folder / "tokenizer.json", **padding)
    return pipeline(
        path or save_encoder(folder / "m.onnx"), task="text-embedding", tokenizer=str(tokenizer), **manifest
    )


def vectors_of(text: str) -> np.ndarray:
    return WEIGHTS[[2, *(WORDS.index(word) for word in text.split())]]


def test_the_served_signature(tmp_path: Path) -> None:
    assert embedder(tmp_path).signature == Signature(
        inputs=[Tensor("text", "BYTES", [-1])], outputs=[Tensor("embedding", "FP32", [-1, 2])]
    )


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_padding_is_not_in_the_vector(tmp_path: Path, pooling: str, left: bool) -> None:
    made = embedder(tmp_path, left=left, pooling=pooling, normalize=False)
    answer = made.run({"text": texts(*TEXTS)}, {})["embedding"]
    assert answer.dtype == np.float32
    for row, text in enumerate(TEXTS):
        vectors = vectors_of(text)
        np.testing.assert_allclose(answer[row], vectors.mean(axis=0) if pooling == "mean" else vectors[0], rtol=1e-5)


def test_vectors_are_scaled_to_length_one(tmp_path: Path) -> None:
    made = embedder(tmp_path)
    answer = made.run({"text": texts(*TEXTS)}, {})["embedding"]
    np.testing.assert_allclose(np.linalg.norm(answer, axis=1), 1, rtol=1e-5)


def test_a_zero_vector_stays_zero(tmp_path: Path) -> None:
    tokenizer = save_tokenizer(tmp_path / "plain.json", cls=False)
    path = save_encoder(tmp_path / "m.onnx")
    made = pipeline(path, task="text-embedding", tokenizer=str(tokenizer))
    assert made.run({"text": texts("a", "b c")}, {})["embedding"].tolist() == [[0, 0], [0, 0]]


def test_a_graph_that_pools_is_taken_at_its_word(tmp_path: Path) -> None:
    made = embedder(tmp_path, save_encoder(tmp_path / "pooled.onnx", pooled=True), normalize=False)
    answer = made.run({"text": texts("good bad", "very bad")}, {})["embedding"]
    assert answer.tolist() == [[2, 2], [2, 1]]


def test_a_graph_that_does_not_suit(tmp_path: Path) -> None:
    with pytest.raises(BadArtefact, match="floats of 2 axes"):
        embedder(tmp_path, pooling="none")


def test_infinity_is_the_models_fault(tmp_path: Path) -> None:
    nodes = [
        node("Cast", ["input_ids"], ["floats"], to=1),
        node("Unsqueeze", ["floats", "two"], ["column"]),
        node("Reciprocal", ["zero"], ["infinity"]),
        node("Mul", ["column", "infinity"], ["token_embeddings"]),
    ]
    path = save(
        tmp_path / "m.onnx",
        nodes,
        [tensor("input_ids", "INT64", ["b", "s"])],
        [tensor("token_embeddings", "FP32", ["b", "s", 2])],
        {"two": np.array([2]), "zero": np.zeros((1, 1, 2), np.float32)},
    )
    with pytest.raises(BadOutput, match="row 0 of output 'embedding'"):
        embedder(tmp_path, path).run({"text": texts("good")}, {})


def test_the_warm_up_is_a_text(tmp_path: Path) -> None:
    made = embedder(tmp_path)
    assert made.run(made.warm_inputs(), {})["embedding"].shape == (1, 2)
