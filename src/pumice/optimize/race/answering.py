"""Batches as in serving, and what both models answered to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from pumice.domain.errors import PumiceError
from pumice.domain.signature import Arrays
from pumice.optimize.examples import Examples
from pumice.optimize.loaded import Measured, failing
from pumice.optimize.quality.base import Judge
from pumice.optimize.race.plan import Seen

Answers = list[dict[str, np.ndarray]]
"""Outputs of a model, batch by batch."""


class Block(msgspec.Struct, frozen=True):
    """What a candidate's answers to a block of examples were worth; as small as it can be kept.

    Attributes:
        n: Examples.
        agree: Whether both models agreed, packed into bits.
        base_right: Whether the base was right; None without labels.
        candidate_right: Whether the candidate was right; None without labels.
        problem: Why there are no answers; empty if there are.
    """

    n: int = 0
    agree: bytes = b""
    base_right: bytes | None = None
    candidate_right: bytes | None = None
    problem: str = ""

    def seen(self, slices: np.ndarray | None) -> Seen:
        """The truth values, with the parts of the data that the examples belong to."""
        return Seen(
            self._flags(self.agree),
            None if self.base_right is None else self._flags(self.base_right),
            None if self.candidate_right is None else self._flags(self.candidate_right),
            slices,
        )

    def _flags(self, packed: bytes) -> np.ndarray:
        return np.unpackbits(np.frombuffer(packed, np.uint8), count=self.n).astype(bool)


def batches_of(examples: Examples, largest: int, seed: Sequence[int]) -> Iterator[Examples]:
    """Cut examples into batches as callers' requests come together in serving: of any size up to the largest.

    Args:
        examples: The examples, in order.
        largest: Most rows of a batch.
        seed: Of the sizes.
    """
    draw = np.random.default_rng(list(seed))
    start = 0
    while start < len(examples):
        size = int(draw.integers(1, largest + 1))
        yield examples.take(np.arange(start, min(start + size, len(examples))))
        start += size


def answers_to(model: Measured, batches: Sequence[Examples]) -> Answers:
    """Run a model on batches.

    Raises:
        PumiceError: It cannot answer one of them.
    """
    with failing(str(model.folder.path)):
        return [model.run(batch.inputs) for batch in batches]


def judged(judge: Judge, batches: Sequence[Examples], base: Answers, candidate: Measured) -> Block:
    """Let a candidate answer the batches that the base has answered, and judge its answers."""
    try:
        answers = answers_to(candidate, batches)
    except PumiceError as error:
        return Block(problem=error.message)
    for mine, theirs in zip(base, answers, strict=True):
        if problem := broken(mine, theirs):
            return Block(problem=problem)
    pairs = list(zip(base, answers, strict=True))
    agree = _packed([judge.agree(mine, theirs) for mine, theirs in pairs])
    n = sum(map(len, batches))
    if any(batch.labels is None for batch in batches):
        return Block(n, agree)
    labels = [batch.labels for batch in batches if batch.labels is not None]
    return Block(
        n,
        agree,
        _packed([judge.right(mine, true) for (mine, _), true in zip(pairs, labels, strict=True)]),
        _packed([judge.right(theirs, true) for (_, theirs), true in zip(pairs, labels, strict=True)]),
    )


def broken(base: Arrays, candidate: Arrays) -> str:
    """What is plainly wrong with a candidate's answers to a batch, before anybody judges them; or nothing."""
    if sorted(base) != sorted(candidate):
        return f"it answers {', '.join(sorted(candidate))}, the base {', '.join(sorted(base))}"
    for name, expected in base.items():
        given = candidate[name]
        if given.shape != expected.shape:
            return f"its '{name}' has the shape {list(given.shape)}, the base's {list(expected.shape)}"
        if not _whole(given) and _whole(expected):
            return f"its '{name}' holds NaN or infinity where the base's has numbers"
    return ""


def _whole(array: np.ndarray) -> bool:
    return array.dtype.kind != "f" or bool(np.isfinite(array).all())


def _packed(flags: Sequence[np.ndarray]) -> bytes:
    return np.packbits(np.concatenate(flags).astype(bool)).tobytes()
