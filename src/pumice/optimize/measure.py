"""Two models on the same inputs, side by side: quality, agreement, latency, size."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence

import msgspec
import numpy as np

from pumice.domain.signature import Arrays
from pumice.engines.base import EngineConfig
from pumice.engines.registry import load_engine
from pumice.engines.source import resolve_source
from pumice.optimize.passes.base import ModelFolder
from pumice.runtime.worker.tasks import Pipeline, pipeline_for

Progress = Callable[[int], None]
"""Told how many more examples are done."""

_Z95 = 1.959964
_BATCH = 32


class Interval(msgspec.Struct, frozen=True):
    """A value and the bounds within which it lies with 95 % confidence.

    Attributes:
        value: The estimate.
        low: Lower bound.
        high: Upper bound.
    """

    value: float
    low: float
    high: float


class Latency(msgspec.Struct, frozen=True):
    """Times of one batch size, both models in turn.

    Attributes:
        rows: Rows of the batch.
        base_ms: Median of the base (ms).
        candidate_ms: Median of the candidate (ms).
        ratio: Candidate over base, pair by pair: the median; below 1 is faster.
    """

    rows: int
    base_ms: float
    candidate_ms: float
    ratio: Interval


class Comparison(msgspec.Struct, frozen=True):
    """What was measured of a candidate beside its base.

    Attributes:
        examples: Labelled examples that both saw.
        base_accuracy: Part of right answers of the base.
        candidate_accuracy: Part of right answers of the candidate.
        drop: Base's accuracy less the candidate's, on the same examples.
        agreement: Part of the examples on which both gave the same label.
        base_bytes: Size of the base's file (bytes).
        candidate_bytes: Size of the candidate's file (bytes).
        latency: By batch size.
    """

    examples: int
    base_accuracy: Interval
    candidate_accuracy: Interval
    drop: Interval
    agreement: Interval
    base_bytes: int
    candidate_bytes: int
    latency: list[Latency]

    def candidate_is_better(self, max_drop: float) -> bool:
        """Whether the candidate may stand in: faster at every batch size, and its loss within the budget.

        Args:
            max_drop: Most accuracy that may be lost (a part of 1); the upper bound of the drop is held against it.
        """
        faster = all(latency.ratio.high < 1.0 for latency in self.latency)
        return faster and self.drop.high <= max_drop


class Measured:
    """A model, loaded in this process to be measured.

    Args:
        folder: The model.
        threads: Threads of one inference.
    """

    def __init__(self, folder: ModelFolder, threads: int) -> None:
        path, manifest = resolve_source(str(folder.path))
        config = EngineConfig(
            source=str(folder.path), path=str(path), manifest=manifest, threads=threads, provider="cpu"
        )
        self.folder = folder
        self._pipeline: Pipeline = pipeline_for(load_engine(config), config)

    def run(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """Answer one batch."""
        return self._pipeline.run(inputs, {})


def compare(
    base: Measured,
    candidate: Measured,
    inputs: Mapping[str, np.ndarray],
    labels: Sequence[bytes],
    progress: Progress,
) -> Comparison:
    """Measure a classifier beside its base.

    Args:
        base: The original.
        candidate: The lighter one.
        inputs: Tensors of all examples [n, ...].
        labels: True label of each example, as the models name them.
        progress: Told as examples are done.

    Returns:
        Quality over all examples, batched as in serving, and latency with both models in turn.
    """
    count = len(labels)
    answers = np.empty((2, count), dtype=object)
    truth = np.array(labels, dtype=object)
    for start in range(0, count, _BATCH):
        batch = {name: array[start : start + _BATCH] for name, array in inputs.items()}
        for index, model in enumerate((base, candidate)):
            answers[index, start : start + _BATCH] = model.run(batch)["label"]
        progress(min(_BATCH, count - start))
    right = np.asarray(answers == truth, dtype=bool)
    same = int((answers[0] == answers[1]).sum())
    return Comparison(
        examples=count,
        base_accuracy=wilson(int(right[0].sum()), count),
        candidate_accuracy=wilson(int(right[1].sum()), count),
        drop=paired_drop(right[0], right[1]),
        agreement=wilson(same, count),
        base_bytes=base.folder.size_bytes,
        candidate_bytes=candidate.folder.size_bytes,
        latency=[latency_of(base, candidate, inputs, rows) for rows in (1, 16)],
    )


def latency_of(base: Measured, candidate: Measured, inputs: Mapping[str, np.ndarray], rows: int) -> Latency:
    """Time both models in turn on the same batches, so that a slow moment of the machine hits both.

    Args:
        base: The original.
        candidate: The lighter one.
        inputs: Tensors of all examples [n, ...]; batches are taken from their beginning.
        rows: Rows of a batch.
    """
    count = len(next(iter(inputs.values())))
    rounds = max(40, min(200, count // rows))
    times = np.empty((2, rounds))
    for turn in range(rounds):
        start = (turn * rows) % max(count - rows, 1)
        batch = {name: array[start : start + rows] for name, array in inputs.items()}
        order = (0, 1) if turn % 2 else (1, 0)
        for index in order:
            begun = time.perf_counter()
            (base, candidate)[index].run(batch)
            times[index, turn] = time.perf_counter() - begun
    ratios = times[1] / times[0]
    return Latency(
        rows=rows,
        base_ms=float(np.median(times[0])) * 1000,
        candidate_ms=float(np.median(times[1])) * 1000,
        ratio=median_interval(ratios),
    )


def wilson(hits: int, count: int) -> Interval:
    """Interval of a rate by Wilson's score (Wilson 1927), 95 %.

    Args:
        hits: How often it happened.
        count: Of how many; at least 1.
    """
    rate, z2 = hits / count, _Z95 * _Z95
    middle = (rate + z2 / (2 * count)) / (1 + z2 / count)
    half = _Z95 / (1 + z2 / count) * math.sqrt(rate * (1 - rate) / count + z2 / (4 * count * count))
    return Interval(rate, max(0.0, middle - half), min(1.0, middle + half))


def paired_drop(base_right: np.ndarray, candidate_right: np.ndarray) -> Interval:
    """Interval of the accuracy drop on the same examples: Wald's with one example added to each cell, 95 %.

    Source: Agresti and Min, "Effects and non-effects of paired identical observations in comparing proportions with
    binary matched-pairs data" (2004); the adjusted interval keeps its level at small counts.

    Args:
        base_right: Whether the base was right, booleans [n].
        candidate_right: Whether the candidate was right, booleans [n].
    """
    count = len(base_right)
    lost = int((base_right & ~candidate_right).sum())
    won = int((~base_right & candidate_right).sum())
    adjusted, lost_a, won_a = count + 2, lost + 0.5, won + 0.5
    middle = (lost_a - won_a) / adjusted
    half = _Z95 * math.sqrt(lost_a + won_a - (lost_a - won_a) ** 2 / adjusted) / adjusted
    return Interval((lost - won) / count, middle - half, middle + half)


def median_interval(values: np.ndarray) -> Interval:
    """The median and its interval from the order statistics (no shape of the distribution assumed), 95 %.

    Args:
        values: Independent observations [n]; n >= 8.
    """
    ordered = np.sort(values)
    count = len(ordered)
    reach = _Z95 * math.sqrt(count) / 2
    low = max(0, math.floor(count / 2 - reach) - 1)
    high = min(count - 1, math.ceil(count / 2 + reach))
    return Interval(float(np.median(ordered)), float(ordered[low]), float(ordered[high]))
