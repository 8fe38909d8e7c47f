"""Python models that the tests of the engine load."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pumice import Model, Signature, Tensor
from pumice.domain.datatypes import NUMPY_TYPES

Arrays = Mapping[str, np.ndarray]

ROW = Signature(inputs=[Tensor("x", "FP32", [-1, 4])], outputs=[Tensor("y", "FP32", [-1, 4])])


class Copies(Model):
    """Gives every datatype back."""

    signature = Signature(
        inputs=[Tensor(f"in/{name}", name, [-1, 2]) for name in NUMPY_TYPES],
        outputs=[Tensor(f"out:{name}", name, [-1, 2]) for name in NUMPY_TYPES],
    )

    def predict(self, inputs: Arrays) -> dict[str, np.ndarray]:
        return {f"out:{name}": inputs[f"in/{name}"] for name in NUMPY_TYPES}


class Scale(Model):
    """Reads a parameter, and knows its warm-up."""

    signature = ROW
    max_batch_size = 8

    def predict(self, inputs: Arrays, parameters: Mapping[str, Any]) -> dict[str, np.ndarray]:
        return {"y": inputs["x"] * np.float32(parameters.get("factor", 1))}

    def warmup(self) -> dict[str, np.ndarray]:
        return {"x": np.ones((1, 4), np.float32)}


class Stranger:
    """No `pumice.Model`, but served all the same."""

    signature = ROW

    def predict(self, inputs: Arrays, factor: int = 2) -> dict[str, np.ndarray]:
        return {"y": inputs["x"] * factor}


class Sum(Model):
    """Scalars."""

    signature = Signature(
        inputs=[Tensor("a", "FP64", []), Tensor("b", "FP64", [])], outputs=[Tensor("sum", "FP64", [])]
    )

    def predict(self, inputs: Arrays) -> dict[str, np.ndarray]:
        return {"sum": np.asarray(inputs["a"] + inputs["b"])}


class Talker(Model):
    """Answers text in every way that numpy has, by a parameter."""

    signature = Signature(inputs=[Tensor("x", "BYTES", [-1])], outputs=[Tensor("y", "BYTES", [-1])])
    deterministic = False
    idempotent = False
    batchable = False

    def predict(self, inputs: Arrays, parameters: Mapping[str, Any]) -> dict[str, Any]:
        words = [item.decode() for item in inputs["x"].tolist()]
        ways: dict[object, Any] = {
            "text": np.array(words),
            "bytes": np.array([word.encode() for word in words]),
            "objects": np.array(words, dtype=object),
            "list": words,
        }
        return {"y": ways[parameters["as"]]}


class Weights(Model):
    """Reads its signature and its only weight from its artefacts."""

    def load(self, path: Path | None) -> None:
        assert path is not None
        file = path / "weight.txt" if path.is_dir() else path
        self.weight = float(file.read_text(encoding="utf-8"))
        self.signature = ROW
        self.closed = 0

    def predict(self, inputs: Arrays) -> dict[str, np.ndarray]:
        return {"y": inputs["x"] * np.float32(self.weight)}

    def close(self) -> None:
        self.closed += 1


class NoSignature(Model):
    def predict(self, inputs: Arrays) -> dict[str, np.ndarray]:
        return dict(inputs)


class OddSignature(Model):
    signature = {"x": "FP32"}  # type: ignore[assignment]  # noqa: RUF012

    def predict(self, inputs: Arrays) -> dict[str, np.ndarray]:
        return dict(inputs)


class NoPredict(Model):
    signature = ROW


class Asynchronous(Model):
    signature = ROW

    async def predict(self, inputs: Arrays) -> dict[str, np.ndarray]:
        return dict(inputs)


class TooMany(Model):
    signature = ROW

    def predict(self, inputs: Arrays, parameters: Mapping[str, Any], more: int) -> dict[str, np.ndarray]:
        return dict(inputs)


class NotADict(Model):
    signature = ROW

    def predict(self, inputs: Arrays) -> Any:
        return inputs["x"]


NOT_A_CLASS = 5
