"""The demo's first half: make the INT8 version, and hold it against the original."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pumice.cli.demo import corpus
from pumice.optimize.measure import Comparison, Measured, compare
from pumice.optimize.passes.base import ModelFolder
from pumice.optimize.passes.int8_dynamic import Int8Dynamic

BUNDLED = Path(__file__).parents[2] / "assets" / "sentiment"
"""The model directory that comes with the package."""

MAX_DROP = 0.01
"""Accuracy that the INT8 version may lose (part of 1)."""

_SURE = 0.8
"""A text is sent to the server only if the model is this sure of it: near the boundary the answer of an INT8 model
may depend on its batch-mates, and a right server would be blamed for it."""


@dataclass(frozen=True)
class Quality:
    """What the first half found.

    Attributes:
        base: The bundled model.
        int8: Its INT8 version.
        comparison: Both side by side.
        served: The one that is better here.
        texts: Texts to send, with the label that the served model gives them when alone.
    """

    base: ModelFolder
    int8: ModelFolder
    comparison: Comparison
    served: ModelFolder
    texts: list[tuple[str, str]]

    @property
    def int8_is_better(self) -> bool:
        """Whether the INT8 version is faster for sure and within the budget."""
        return self.served is self.int8


def measure_quality(work: Path, step: Callable[[str, int], Callable[[int], None]]) -> Quality:
    """Quantize the bundled model and measure both on the held-out texts.

    Args:
        work: Folder for the INT8 version.
        step: Told the name and length of each step; gives back what is to be told of its progress.

    Raises:
        MissingDependency: The extra ``demo`` is not installed.
    """
    progress = step("Read the held-out texts", 1)
    reviews = corpus.select(corpus.load(), "test")
    texts = np.array([review.text.encode() for review in reviews], dtype=object)
    labels = [corpus.LABELS[review.label].encode() for review in reviews]
    progress(1)
    progress = step("Make the INT8 version", 1)
    base = ModelFolder.read(BUNDLED)
    int8 = Int8Dynamic().apply(base, work / "sentiment-int8")
    progress(1)
    progress = step("Measure both on held-out texts", len(reviews))
    models = Measured(base, threads=1), Measured(int8, threads=1)
    comparison = compare(*models, {"text": texts}, labels, progress)
    better = comparison.candidate_is_better(MAX_DROP)
    return Quality(base, int8, comparison, int8 if better else base, _sure_texts(models[better], texts))


def _sure_texts(model: Measured, texts: np.ndarray) -> list[tuple[str, str]]:
    answers = [model.run({"text": texts[index : index + 1]}) for index in range(min(len(texts), 400))]
    return [
        (text.decode(), answer["label"][0].decode())
        for text, answer in zip(texts, answers, strict=False)
        if answer["score"][0] > _SURE
    ]
