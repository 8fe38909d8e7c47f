"""A first look at a variant: whether its answers can be judged at all, and whether its rows keep to themselves."""

from __future__ import annotations

import msgspec
import numpy as np

from pumice.domain.errors import PumiceError
from pumice.domain.signature import Arrays
from pumice.optimize.examples import Examples
from pumice.optimize.loaded import Measured
from pumice.optimize.race.answering import answers_to, broken

ROWS = 16
"""Examples that are looked at."""

_TIMES = 10.0
_SMALL = 1e-4


class Screen(msgspec.Struct, frozen=True):
    """What the first look found.

    Attributes:
        problem: Why it may not race; empty if it may.
        batch_dependent: Whether a row's answer depends on its batch-mates.
    """

    problem: str = ""
    batch_dependent: bool = False


def screen(base: Measured, candidate: Measured, examples: Examples) -> Screen:
    """Look at a variant's answers to a few examples, which no proof uses."""
    together = [examples] if base.batchable else []
    alone = [examples.take(np.array([row])) for row in range(len(examples))]
    try:
        expected, given = (answers_to(model, [*together, *alone]) for model in (base, candidate))
    except PumiceError as error:
        return Screen(error.message)
    problem = next(filter(None, map(broken, expected, given)), "")
    if problem or not together:
        return Screen(problem)
    own, allowed = (_moved(answers[0], answers[1:]) for answers in (given, expected))
    return Screen("", own > _TIMES * allowed + _SMALL)


def _moved(together: Arrays, alone: list[dict[str, np.ndarray]]) -> float:
    """How far an answer is from the one that its row gets alone, relative to the answers' size."""
    far = 0.0
    for name, array in together.items():
        if array.dtype.kind == "f":
            singles = [answer[name][0] for answer in alone]
            scale = max(float(np.abs(array).max()), _SMALL)
            pairs = [(row, one) for row, one in zip(array, singles, strict=True) if row.shape == one.shape]
            far = max([far, *(float(np.abs(row - one).max()) / scale for row, one in pairs)])
    return far
