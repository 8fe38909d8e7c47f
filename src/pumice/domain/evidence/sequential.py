"""A test on a stream of examples, each with one of a few outcomes."""

from __future__ import annotations

import abc
import math
from typing import ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from pumice.domain.errors import BadSetting, MalformedInput
from pumice.domain.evidence.mixture import Mixture, from_log, threshold
from pumice.domain.evidence.record import Decision, Record
from pumice.domain.evidence.verdict import Verdict

Flags = npt.ArrayLike
"""One truth value or an array of them: bool, or numbers 0 and 1."""

_BLOCK = 4096
_FARTHEST = 1 << 40


class Interval(NamedTuple):
    """A time-uniform interval.

    Attributes:
        low: Its lower end.
        high: Its upper end.
    """

    low: float
    high: float


class SequentialTest(abc.ABC):
    """What every test offers; valid at each moment, however it was chosen.

    Args:
        alpha: Probability of a wrong verdict over all looks together, for each of the verdicts that it can give.

    Attributes:
        alpha: The same.
    """

    name: ClassVar[str]

    def __init__(self, alpha: float) -> None:
        check_share("alpha", alpha)
        self.alpha = alpha

    @property
    @abc.abstractmethod
    def n(self) -> int:
        """Examples seen."""

    @property
    @abc.abstractmethod
    def verdict(self) -> Verdict:
        """What is proven; stays as it was when it was first proven."""

    @property
    @abc.abstractmethod
    def e_value(self) -> float:
        """How strong the evidence for the test's claim is now: the claim's opposite gives values of mean at most 1."""

    @property
    @abc.abstractmethod
    def interval(self) -> Interval:
        """Where the true value lies, at a level of 1 - alpha over all looks together."""

    @abc.abstractmethod
    def futile(self, n_max: int) -> bool:
        """Whether the claim cannot be proven any more within a number of examples, as far as can be told.

        Futility is judged by the most favourable rates that the examples so far leave open. Stopping for it makes no
        verdict wrong.

        Args:
            n_max: Examples altogether, those seen included.
        """

    @abc.abstractmethod
    def remaining(self) -> int | None:
        """About how many more examples prove the claim if they go on as so far; None if they would not."""

    @abc.abstractmethod
    def record(self) -> Record:
        """What is kept of it; `pumice.domain.evidence.record.recheck` computes it again."""


class CountedTest(SequentialTest):
    """A test whose evidence depends on how often each outcome came.

    Args:
        alpha: See `SequentialTest`.
        margin: Where the claim begins, for the record; None if the test has none.
        proves: Evidence for PASS, if the test can give it.
        refutes: Evidence for FAIL.
    """

    outcomes: ClassVar[tuple[str, ...]]

    def __init__(self, alpha: float, margin: float | None, proves: Mixture | None, refutes: Mixture) -> None:
        super().__init__(alpha)
        self.margin = margin
        self._refutes = refutes
        # FAIL first: where both would be proven by the same example, the careful one is told
        self._goals = [(Verdict.FAIL, refutes)] + ([(Verdict.PASS, proves)] if proves else [])
        self._claim = proves or refutes
        self._counts = np.zeros(len(self.outcomes), np.int64)
        self._decision: Decision | None = None

    @property
    def n(self) -> int:
        """Examples seen."""
        return int(self._counts.sum())

    @property
    def counts(self) -> dict[str, int]:
        """How often each outcome came."""
        return dict(zip(self.outcomes, self._counts.tolist(), strict=True))

    @property
    def verdict(self) -> Verdict:
        """What is proven; stays as it was when it was first proven."""
        return Verdict.NOT_YET if self._decision is None else self._decision.verdict

    @property
    def e_value(self) -> float:
        """Evidence for the claim, now."""
        return from_log(float(self._claim.log(self._counts)))

    @property
    def e_value_fail(self) -> float:
        """Evidence for the claim's opposite, now; the same as `e_value` where the test can only give FAIL."""
        return from_log(float(self._refutes.log(self._counts)))

    def futile(self, n_max: int) -> bool:
        """Whether the claim cannot be proven any more within a number of examples; see `SequentialTest.futile`."""
        if self.verdict is not Verdict.NOT_YET:
            return self.verdict is not (Verdict.PASS if len(self._goals) > 1 else Verdict.FAIL)
        more = max(0, n_max - self.n)
        return float(self._claim.log(self._counts + more * self._best_rates())) < threshold(self.alpha)

    def remaining(self) -> int | None:
        """About how many more examples prove the claim if they go on as so far; None if they would not."""
        if self.verdict is not Verdict.NOT_YET:
            return 0 if not self.futile(self.n) else None
        rates = (self._counts + 0.5) / (self.n + 0.5 * len(self.outcomes))
        if not self._proven_with(_FARTHEST, rates):
            return None
        low, high = 0, 1
        while not self._proven_with(high, rates):
            low, high = high, high * 2
        while high - low > max(1, high // 64):
            middle = (low + high) // 2
            low, high = (low, middle) if self._proven_with(middle, rates) else (middle, high)
        return high

    def record(self) -> Record:
        """What is kept of it."""
        interval = self.interval
        return Record(
            test=self.name,
            alpha=self.alpha,
            margin=self.margin,
            verdict=self.verdict,
            n=self.n,
            counts=self.counts,
            decision=self._decision,
            e_value=self.e_value,
            interval=(interval.low, interval.high),
        )

    def restore(self, record: Record) -> None:
        """Go on from a record, which has been checked."""
        self._counts = np.array([record.counts[name] for name in self.outcomes], np.int64)
        self._decision = record.decision

    def evidence_at(self, verdict: Verdict, counts: dict[str, int]) -> float:
        """Logarithm of the evidence for a verdict at counts; minus infinity for one that this test never gives."""
        for possible, mixture in self._goals:
            if possible is verdict:
                return float(mixture.log(np.array([counts[name] for name in self.outcomes])))
        return -math.inf

    @abc.abstractmethod
    def _best_rates(self) -> np.ndarray:
        """The most favourable rates of the outcomes that are still open, [outcomes]."""

    def _see(self, kinds: np.ndarray) -> None:
        """Take in examples, each the number of its outcome, and note where something is proven first."""
        for start in range(0, len(kinds), _BLOCK):
            part = kinds[start : start + _BLOCK]
            if self._decision is None:
                self._look(part)
            self._counts += np.bincount(part, minlength=len(self.outcomes))

    def _look(self, kinds: np.ndarray) -> None:
        path = np.zeros((len(kinds) + 1, len(self.outcomes)), np.int64)
        np.cumsum(kinds[:, None] == np.arange(len(self.outcomes)), axis=0, out=path[1:])
        path += self._counts
        for verdict, mixture in self._goals:
            first = mixture.first_above(path, threshold(self.alpha))
            if first is not None:
                counts = dict(zip(self.outcomes, path[first + 1].tolist(), strict=True))
                self._decision = Decision(verdict, sum(counts.values()), counts)
                path = path[: first + 1]  # another verdict counts only if it was reached before

    def _proven_with(self, more: int, rates: np.ndarray) -> bool:
        return float(self._claim.log(self._counts + more * rates)) >= threshold(self.alpha)


def check_share(key: str, value: float) -> None:
    """Refuse a part of 1 that is none.

    Raises:
        BadSetting: It is not between 0 and 1.
    """
    if not 0.0 < value < 1.0:
        raise BadSetting(key, str(value), "a number above 0 and below 1")


def flags(what: str, values: Flags) -> np.ndarray:
    """Truth values as an array of one axis.

    Raises:
        MalformedInput: They are not all 0 or 1.
    """
    given = np.atleast_1d(np.asarray(values))
    if given.ndim != 1 or given.dtype.kind not in "biuf" or not np.isin(given, (0, 1)).all():
        raise MalformedInput(what, "expected one truth value or a flat array of them (bool, or numbers 0 and 1)")
    return given.astype(np.int8)


def paired_flags(base: Flags, candidate: Flags) -> tuple[np.ndarray, np.ndarray]:
    """Truth values of two models on the same examples.

    Raises:
        MalformedInput: They are not truth values, or not equally many.
    """
    first, second = flags("base_right", base), flags("cand_right", candidate)
    if len(first) != len(second):
        raise MalformedInput(
            "cand_right", f"it has {len(second)} values, base_right has {len(first)}; give both of each"
        )
    return first, second
