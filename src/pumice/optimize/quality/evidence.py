"""From truth values, example by example, to what is proven of one candidate: on all examples, and on each slice."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import msgspec
import numpy as np

from pumice.domain.errors import BadSetting
from pumice.domain.evidence.certificate import joined
from pumice.domain.evidence.disagreement import Disagreement
from pumice.domain.evidence.mixture import threshold
from pumice.domain.evidence.paired import NonInferiority
from pumice.domain.evidence.record import Record
from pumice.domain.evidence.verdict import Verdict
from pumice.optimize.findings import QualityFinding, SliceFinding

AGREEMENT = "agreement"
"""Name of the metric where there are no labels."""


class Seen(Protocol):
    """Both models' answers to some examples, judged; bool [n] each."""

    @property
    def agree(self) -> np.ndarray:
        """Whether both gave the same answer."""

    @property
    def base_right(self) -> np.ndarray | None:
        """Whether the base was right; None without labels."""

    @property
    def candidate_right(self) -> np.ndarray | None:
        """Whether the candidate was right; None without labels."""

    @property
    def slices(self) -> np.ndarray | None:
        """The part of the data that each belongs to, [n] of str; None if the data names no parts."""


class Claim(msgspec.Struct, frozen=True):
    """What is to be proven of a candidate.

    Attributes:
        margin: Quality that may be lost (a part of 1).
        alpha: Error of a wrong PASS for this candidate. Who chooses among several gives each its share
            (`pumice.domain.evidence.family.shared`).
        labelled: Whether there are labels: then the drop is tested, else the disagreement, which bounds it.
        strict: Whether slices that are too small to prove anything must pass too.
    """

    margin: float
    alpha: float
    labelled: bool
    strict: bool = False

    def test(self) -> NonInferiority | Disagreement:
        """The test that decides, before its first example."""
        return (NonInferiority if self.labelled else Disagreement)(self.margin, self.alpha)

    def fewest(self) -> int:
        """Fewest examples that prove the claim: that many without one difference."""
        test = self.test()
        high = 1
        while not _proves(test, high):
            high *= 2
        low = high // 2
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if _proves(test, middle) else (middle, high)
        return high


class PartState(msgspec.Struct, frozen=True):
    """What is kept of one part of the data, so that a proof can go on.

    Attributes:
        right: On how many examples the base was right, and the candidate.
        same: On how many both agreed.
        evidence: Records: of the test that decides, and of the disagreement beside it.
    """

    right: tuple[int, int]
    same: int
    evidence: list[Record]


class ProofState(msgspec.Struct, frozen=True):
    """What is kept of a proof.

    Attributes:
        whole: All examples.
        slices: By part of the data.
    """

    whole: PartState
    slices: dict[str, PartState]


@dataclass
class _Part:
    """One part of the data: a test, and what people want to know besides."""

    test: NonInferiority | Disagreement
    beside: Disagreement | None
    size: int
    base_right: int = 0
    candidate_right: int = 0
    same: int = 0

    def update(self, agree: np.ndarray, right: tuple[np.ndarray, np.ndarray] | None) -> None:
        self.same += int(agree.sum())
        if isinstance(self.test, Disagreement):
            self.test.update(agree)
        elif right is not None:
            self.base_right += int(right[0].sum())
            self.candidate_right += int(right[1].sum())
            self.test.update(*right)
        if self.beside:
            self.beside.update(agree)

    def values(self) -> tuple[float | None, float]:
        """The metric of the base and of the candidate; the agreement where there are no labels."""
        n = max(self.test.n, 1)
        if isinstance(self.test, Disagreement):
            return None, self.same / n
        return self.base_right / n, self.candidate_right / n

    def records(self) -> list[Record]:
        return [self.test.record()] + ([self.beside.record()] if self.beside else [])

    def state(self) -> PartState:
        return PartState((self.base_right, self.candidate_right), self.same, self.records())

    def restore(self, state: PartState) -> None:
        self.base_right, self.candidate_right = state.right
        self.same = state.same
        tests = [self.test] + ([self.beside] if self.beside else [])
        for test, record in zip(tests, state.evidence, strict=True):
            if (record.test, record.alpha, record.margin) != (test.name, test.alpha, test.margin):
                given = f"{record.test} at a margin of {record.margin} and an alpha of {record.alpha}"
                raise BadSetting("state of a proof", given, f"{test.name} at {test.margin} and {test.alpha}")
            test.restore(record)


class Proof:
    """What is proven of one candidate's quality; valid however often one looks.

    PASS needs all examples together to pass, and each slice that is large enough to prove anything: if the claim is
    false for one of them, that one passes wrongly with a probability of at most alpha, so alpha is the error of PASS.
    FAIL needs one of them to fail, whatever its size; its error is at most alpha times their number. Which slices are
    large enough is decided by their sizes, before an answer was seen. Where there are labels, the drop decides and the
    disagreement is told beside it.

    Args:
        metric: Name of the metric of the labels.
        claim: What is to be proven.
        slices: How many examples each part of the data has; None if the data names no parts.
    """

    def __init__(self, metric: str, claim: Claim, slices: Mapping[str, int] | None = None) -> None:
        self._metric = metric
        self._claim = claim
        sizes = dict(slices or {})
        self._total = sum(sizes.values())
        self._whole = _Part(claim.test(), Disagreement(claim.margin, claim.alpha) if claim.labelled else None, 0)
        self._slices = {name: _Part(claim.test(), None, size) for name, size in sizes.items()}
        fewest = 0 if claim.strict or not sizes else claim.fewest()
        self._binding = {name for name, size in sizes.items() if size >= fewest}

    @property
    def verdict(self) -> Verdict:
        """What is proven; only a slice that was too small to be waited for can still turn PASS into FAIL."""
        told = [self._whole.test.verdict]
        told += [part.test.verdict for name, part in self._slices.items() if self._binds(name)]
        return joined(told)

    @property
    def needed(self) -> int | None:
        """About how many more examples prove the claim; None if it is decided, or if they would not."""
        if self.verdict is not Verdict.NOT_YET:
            return None
        wanted = [self._whole.test.remaining()]
        for name in self._binding:
            part = self._slices[name]
            more = part.test.remaining()
            wanted.append(None if more is None else math.ceil(more * self._total / part.size))
        known = [more for more in wanted if more is not None]
        return max(known) if len(known) == len(wanted) else None

    def update(self, seen: Seen) -> None:
        """Take in the next examples.

        Raises:
            BadSetting: One belongs to a slice that was not told before.
        """
        agree, right = np.asarray(seen.agree, bool), None
        if self._claim.labelled:
            if seen.base_right is None or seen.candidate_right is None:
                raise BadSetting("truth values", "none of right and wrong", "both models', as there are labels")
            right = np.asarray(seen.base_right, bool), np.asarray(seen.candidate_right, bool)
        self._whole.update(agree, right)
        if seen.slices is None or not self._slices:
            return
        for name in dict.fromkeys(seen.slices.tolist()):
            if name not in self._slices:
                raise BadSetting("slice", f"'{name}'", f"one of {', '.join(self._slices)}")
            rows = np.asarray(seen.slices == name, bool)
            self._slices[name].update(agree[rows], None if right is None else (right[0][rows], right[1][rows]))

    def futile(self, n_max: int) -> bool:
        """Whether PASS cannot be proven any more within so many examples altogether, as far as can be told."""
        if self.verdict is not Verdict.NOT_YET:
            return self.verdict is Verdict.FAIL
        if self._whole.test.futile(n_max):
            return True
        parts = (self._slices[name] for name in self._binding)
        return any(part.test.futile(math.ceil(part.size * n_max / self._total)) for part in parts)

    def finding(self) -> QualityFinding:
        """What is told of it; the slices with the worst first."""
        whole = self._whole
        base, value = whole.values()
        n = whole.test.n
        told = [self._slice(name, part) for name, part in self._slices.items()]
        return QualityFinding(
            metric=self._metric if self._claim.labelled else AGREEMENT,
            n=n,
            base=base,
            value=value,
            drop_interval=whole.test.interval,
            disagreement=1.0 - whole.same / max(n, 1),
            needed=self.needed,
            evidence=whole.records(),
            slices=sorted(told, key=lambda part: part.drop_interval, reverse=True),
        )

    def state(self) -> ProofState:
        """What is kept of it."""
        return ProofState(self._whole.state(), {name: part.state() for name, part in self._slices.items()})

    def restore(self, state: ProofState) -> None:
        """Go on from what was kept.

        Raises:
            BadSetting: It is that of another proof.
        """
        if state.slices.keys() != self._slices.keys():
            given, allowed = (", ".join(parts) or "none" for parts in (state.slices, self._slices))
            raise BadSetting("state of a proof", f"the slices {given}", f"the slices {allowed}")
        self._whole.restore(state.whole)
        for name, part in self._slices.items():
            part.restore(state.slices[name])

    def _binds(self, name: str) -> bool:
        return name in self._binding or self._slices[name].test.verdict is Verdict.FAIL

    def _slice(self, name: str, part: _Part) -> SliceFinding:
        base, value = part.values()
        return SliceFinding(
            name=name,
            n=part.test.n,
            base=base,
            value=None if base is None else value,
            drop_interval=part.test.interval,
            verdict=part.test.verdict,
            binding=self._binds(name),
            evidence=part.records(),
        )


def _proves(test: NonInferiority | Disagreement, n: int) -> bool:
    """Whether so many examples without a difference prove the claim."""
    counts = dict.fromkeys(test.outcomes, 0) | {test.outcomes[0]: n}
    return test.evidence_at(Verdict.PASS, counts) >= threshold(test.alpha)
