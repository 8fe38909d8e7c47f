"""A first look at a variant: whether its answers can be judged at all, and whether its rows keep to themselves."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from pumice.domain.errors import PumiceError
from pumice.optimize.examples import Examples
from pumice.optimize.loaded import Measured, failing
from pumice.optimize.quality.base import Judge
from pumice.optimize.quality.batching import BatchDependence, answers_in, batch_dependence, serving_batches
from pumice.optimize.race.answering import answers_to, broken

_LOOKED_AT = 32
_ROUNDS = 3


class Screen(msgspec.Struct, frozen=True):
    """What the first look found.

    Attributes:
        problem: Why it may not race; empty if it may.
        dependence: What batch-mates do to its answers; None if it may not race, or takes one row at a time.
        n: Examples that it has answered for that, each time counted.
    """

    problem: str = ""
    dependence: BatchDependence | None = None
    n: int = 0


class Screening:
    """Looks at variants on examples that no proof uses.

    Args:
        judge: Says whether two answers are the same.
        examples: Those examples.
        largest: Most rows of a batch in serving.
        seed: Of the batches.
    """

    def __init__(self, judge: Judge, examples: Examples, largest: int, seed: int) -> None:
        self._judge = judge
        self._examples = examples
        self._largest = largest
        self._seed = (seed,)

    def look(self, base: Measured, candidate: Measured) -> Screen:
        """Look at a variant."""
        few = self._examples.take(np.arange(min(_LOOKED_AT, len(self._examples))))
        batches = [few.take(rows) for rows in self._batches(base, len(few))]
        try:
            expected, given = answers_to(base, batches), answers_to(candidate, batches)
        except PumiceError as error:
            return Screen(error.message)
        if problem := next(filter(None, map(broken, expected, given)), ""):
            return Screen(problem, n=len(few))
        if not candidate.batchable or self._largest == 1:
            return Screen(n=len(few))
        judge = self.judge_of(base, candidate)
        found = batch_dependence(candidate.run, few.inputs, judge, self._seed, self._largest)
        # each is answered alone, and twice in company
        return Screen("", found, (1 + _ROUNDS) * len(few))

    def judge_of(self, base: Measured, candidate: Measured) -> Judge:
        """The judge of a variant, which may need both models' answers to the examples.

        Raises:
            PumiceError: One of them gives none.
        """
        if not self._judge.needs_reference:
            return self._judge
        inputs, batches = self._examples.inputs, self._batches(base, len(self._examples))
        with failing(str(candidate.folder.path)):
            answers = [answers_in(model.run, inputs, batches) for model in (base, candidate)]
        return self._judge.beside(*answers)

    def _batches(self, base: Measured, count: int) -> Sequence[np.ndarray]:
        return list(serving_batches(count, self._seed, self._largest if base.batchable else 1))
