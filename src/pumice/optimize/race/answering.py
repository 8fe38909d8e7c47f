"""Batches as in serving, and what both models answered to them."""

from __future__ import annotations

from collections.abc import Sequence

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
    seen = [_seen(judge, *of_batch) for of_batch in zip(batches, base, answers, strict=True)]
    agree, base_right, candidate_right = (
        [part for part in parts if part is not None] for parts in zip(*seen, strict=True)
    )
    n = sum(map(len, batches))
    if not base_right:
        return Block(n, _packed(agree))
    return Block(n, _packed(agree), _packed(base_right), _packed(candidate_right))


def _seen(
    judge: Judge, batch: Examples, base: Arrays, candidate: Arrays
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Whether both agree, and whether each is right, example by example."""
    judge = judge.among(batch.inputs)
    agree = judge.agree(base, candidate)
    if batch.labels is None:
        return agree, None, None
    return agree, judge.right(base, batch.labels), judge.right(candidate, batch.labels)


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
