"""Batches as in serving, and whether a row's answer depends on its batch-mates."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec
import numpy as np

from pumice.domain.signature import Arrays
from pumice.optimize.quality.base import Judge

Run = Callable[[Arrays], Arrays]
"""Answers one batch."""

TOLERANCE = 1e-3
"""Largest change of an answer, as a part of its length, that is put down to the order of additions and not to the
batch-mates: kernels of another shape and longer padding move FP32 by about 1e-6, FP16 by about 1e-4; a scale that is
taken over the batch moves it by 1e-2."""


class BatchDependence(msgspec.Struct, frozen=True):
    """What the batch-mates do to the answers of a model.

    Attributes:
        n: Examples that were looked at.
        moved: Largest change of an answer by other mates, as a part of its length (Euclidean).
        decisions: Part of the examples whose answer the judge no longer calls the same.
        dependent: Whether a row's answer depends on its batch-mates.
    """

    n: int
    moved: float
    decisions: float
    dependent: bool


def serving_batches(n: int, seed: Sequence[int], max_batch: int) -> Iterator[np.ndarray]:
    """Cut examples into batches as callers' requests come together in serving: random sizes, random mates.

    The same seed gives the same batches, so all models answer in the same company.

    Args:
        n: Examples.
        seed: Of sizes and order.
        max_batch: Most rows of a batch.

    Yields:
        Row numbers of each batch; every number from 0 to n - 1 once.
    """
    draw = np.random.default_rng(list(seed))
    order = draw.permutation(n)
    start = 0
    while start < n:
        size = int(draw.integers(1, max_batch + 1))
        yield order[start : start + size]
        start += size


def batch_dependence(run: Run, inputs: Arrays, judge: Judge, seed: Sequence[int], max_batch: int) -> BatchDependence:
    """Find by trying whether a row's answer depends on its batch-mates.

    Every row is answered alone and twice in the company of others, drawn anew each time.

    Args:
        run: Answers a batch; it must be able to take `max_batch` rows.
        inputs: Examples that are not used for any proof, [n, ...] each; 64 of them are plenty.
        judge: Says whether two answers are the same; one that `needs_reference` must have got it.
        seed: Of the batches.
        max_batch: Most rows of a batch.
    """
    n = len(next(iter(inputs.values())))
    alone = answers_in(run, inputs, [np.array([row]) for row in range(n)])
    moved, changed = 0.0, np.zeros(n, bool)
    for round_ in range(2 if max_batch > 1 else 0):
        together = answers_in(run, inputs, list(serving_batches(n, [*seed, round_], max_batch)))
        moved = max(moved, _moved(alone, together))
        changed |= ~judge.among(inputs).agree(alone, together)
    return BatchDependence(n, moved, float(changed.mean()) if n else 0.0, moved > TOLERANCE)


def answers_in(run: Run, inputs: Arrays, batches: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Answers to all examples, in their order, computed in these batches.

    Args:
        run: Answers a batch.
        inputs: The examples, [n, ...] each.
        batches: Row numbers of each batch; every row once.

    Returns:
        The outputs, [n, ...] each.
    """
    parts = [run({name: array[rows] for name, array in inputs.items()}) for rows in batches]
    back = np.argsort(np.concatenate(batches), kind="stable")
    return {name: np.concatenate([part[name] for part in parts])[back] for name in parts[0]}


def _moved(alone: Arrays, together: Arrays) -> float:
    """Largest change of a row, as a part of its length; of outputs that are no floats, a change is 1."""
    floats = [name for name, array in alone.items() if array.dtype.kind == "f"]
    if not floats:
        return float(any(not np.array_equal(alone[name], together[name]) for name in alone))
    most = 0.0
    for name in floats:
        first, second = (array[name].reshape(len(array[name]), -1).astype(np.float64) for array in (alone, together))
        apart = np.where((first == second) | (np.isnan(first) & np.isnan(second)), 0.0, first - second)
        length = np.maximum(np.linalg.norm(np.nan_to_num(first), axis=1), 1e-12)
        far = np.nan_to_num(np.linalg.norm(apart, axis=1) / length, nan=np.inf)
        most = max(most, float(far.max(initial=0.0)))
    return most
