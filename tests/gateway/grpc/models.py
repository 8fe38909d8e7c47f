"""Models for what only the gRPC tests need."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pumice import Model, Signature, Tensor


class Mood(Model):
    """Tells a good text from a bad one, in the tensors of text classification."""

    signature = Signature(
        inputs=[Tensor("text", "BYTES", [-1])],
        outputs=[Tensor("label", "BYTES", [-1]), Tensor("score", "FP32", [-1]), Tensor("scores", "FP32", [-1, 2])],
    )

    def predict(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        good = np.array([b"good" in text for text in inputs["text"]])
        score = np.full(len(good), 0.75, np.float32)
        return {
            "label": np.where(good, b"positive", b"negative").astype(object),
            "score": score,
            "scores": np.stack([1 - score, score], axis=1),
        }


class Latin(Model):
    """Answers with bytes that are no UTF-8 text."""

    signature = Signature(inputs=[Tensor("text", "BYTES", [-1, 1])], outputs=[Tensor("out", "BYTES", [-1, 1])])

    def predict(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {"out": np.full((len(inputs["text"]), 1), b"\xe9", dtype=object)}
