"""From logits to labels and scores; the answer of both classification tasks."""

from __future__ import annotations

import numpy as np

from pumice.domain.errors import BadOutput, BadSetting
from pumice.domain.signature import Tensor
from pumice.engines.base import EngineConfig


class Scores:
    """Names the classes of one model.

    Args:
        config: What the model was loaded with.
        logits: The model's output [batch, classes].

    Attributes:
        outputs: The served outputs: ``label`` BYTES [-1], ``score`` FP32 [-1], ``scores`` FP32 [-1, L].

    Raises:
        BadSetting: There are more or fewer labels than classes.
    """

    def __init__(self, config: EngineConfig, logits: Tensor) -> None:
        labels, size = config.manifest.labels, logits.shape[1]
        if size == -1 and not labels:
            raise BadSetting("manifest 'labels'", "none", "the names of all classes; the file does not say how many")
        if labels and size not in (-1, len(labels)):
            raise BadSetting(
                "manifest 'labels'", f"{len(labels)} labels", f"{size}, the size of output '{logits.name}'"
            )
        named = labels or [f"LABEL_{index}" for index in range(size)]
        self._labels = np.empty(len(named), dtype=object)
        self._labels[:] = [label.encode() for label in named]
        self._probabilities = config.manifest.probabilities
        self._model = config.label
        self.outputs = [
            Tensor("label", "BYTES", [-1]),
            Tensor("score", "FP32", [-1]),
            Tensor("scores", "FP32", [-1, len(named)]),
        ]

    def answer(self, logits: np.ndarray) -> dict[str, np.ndarray]:
        """Name the best class of each row.

        Args:
            logits: FP32 [rows, classes]; probabilities, if the manifest says so.

        Raises:
            BadOutput: The model gave another number of classes, or NaN.
        """
        if logits.shape[1] != len(self._labels):
            raise BadOutput(self._model, "the scores", f"{logits.shape[1]} classes", f"{len(self._labels)} labels")
        scores = logits if self._probabilities else softmax(logits)
        finite = np.isfinite(scores).all(axis=1)
        if not finite.all():
            row = int(np.argmin(finite))
            raise BadOutput(self._model, f"row {row} of the scores", "NaN or infinity", "finite numbers")
        best = scores.argmax(axis=1)
        return {"label": self._labels[best], "score": scores[np.arange(len(scores)), best], "scores": scores}


def softmax(logits: np.ndarray) -> np.ndarray:
    """Turn logits into probabilities along the last axis; large logits do not overflow."""
    with np.errstate(invalid="ignore"):  # NaN and infinity go through to the check of the scores
        powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))
