"""A record is believed only as far as its own numbers carry it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from pumice.domain.errors import BadSetting, Tampered
from pumice.domain.evidence.disagreement import Disagreement
from pumice.domain.evidence.mixture import threshold
from pumice.domain.evidence.paired import Harm, NonInferiority
from pumice.domain.evidence.rates import RateIncrease
from pumice.domain.evidence.record import Record
from pumice.domain.evidence.sequential import CountedTest, SequentialTest
from pumice.domain.evidence.verdict import Verdict

_CLOSE = 1e-6
_MOST = 1 << 53

_COUNTED: Mapping[str, Callable[[float, float], CountedTest]] = {
    Disagreement.name: Disagreement,
    NonInferiority.name: NonInferiority,
    Harm.name: lambda _, alpha: Harm(alpha),
}


def recheck(record: Record) -> SequentialTest:
    """Compute a record's evidence again.

    Args:
        record: As it was kept.

    Returns:
        The test as it was then; it may go on.

    Raises:
        Tampered: What the record says does not follow from its numbers.
    """
    try:
        test = _rebuilt(record)
    except BadSetting as error:
        raise _wrong(record, error.message) from None
    again = test.record()
    same = again.verdict == record.verdict and again.decision == record.decision and again.n == record.n
    figures = ((record.e_value, again.e_value), *zip(record.interval, again.interval, strict=True))
    if not same or again.counts != record.counts or not all(_near(*pair) for pair in figures):
        raise _wrong(record, "its verdict, evidence or interval does not follow from its counts")
    return test


def _rebuilt(record: Record) -> SequentialTest:
    if any(count < 0 or count > _MOST for count in record.counts.values()):
        raise _wrong(record, "a count is negative or too large")
    if record.test == RateIncrease.name:
        return _rebuilt_rates(record)
    if record.test not in _COUNTED:
        raise _wrong(record, f"there is no such test; known are {', '.join([*_COUNTED, RateIncrease.name])}")
    if (record.margin is None) is not (record.test == Harm.name):
        raise _wrong(record, "its margin is missing, or it has one that the test does not know")
    test = _COUNTED[record.test](record.margin or 0.0, record.alpha)
    if set(record.counts) != set(test.outcomes) or record.blocks:
        raise _wrong(record, f"expected the counts {', '.join(test.outcomes)} and no blocks")
    _check_decision(record, test)
    test.restore(record)
    return test


def _check_decision(record: Record, test: CountedTest) -> None:
    """Whether the verdict was reached at the counts that are told, and none is kept back."""
    limit = threshold(record.alpha) - _CLOSE
    decision = record.decision
    if decision is None:
        reached = max(test.evidence_at(verdict, record.counts) for verdict in (Verdict.PASS, Verdict.FAIL))
        if reached > threshold(record.alpha) + _CLOSE:
            raise _wrong(record, "its counts prove something, and it says 'not yet'")
        return
    if set(decision.counts) != set(test.outcomes) or sum(decision.counts.values()) != decision.n:
        raise _wrong(record, "the counts of its decision do not fit")
    if any(not 0 <= count <= record.counts[name] for name, count in decision.counts.items()):
        raise _wrong(record, "its decision has seen more than there was")
    if test.evidence_at(decision.verdict, decision.counts) < limit:
        raise _wrong(record, f"its counts do not prove '{decision.verdict}'")


def _rebuilt_rates(record: Record) -> RateIncrease:
    test = RateIncrease(record.alpha)
    names = ("base_bad", "base_n", "candidate_bad", "candidate_n")
    if set(record.counts) != set(names) or record.margin is not None:
        raise _wrong(record, f"expected the counts {', '.join(names)} and no margin")
    whole = [record.counts[name] for name in names]
    for bad, n in ((whole[0], whole[1]), (whole[2], whole[3])):
        if bad > n:
            raise _wrong(record, "more are bad than came")
    for base_bad, base_n, candidate_bad, candidate_n in record.blocks:
        if not (0 <= base_bad <= base_n and 0 <= candidate_bad <= candidate_n and base_n and candidate_n):
            raise _wrong(record, "a block has not both groups, or more bad ones than came")
    if any(sum(column) > total for column, total in zip(zip(*record.blocks, strict=True), whole, strict=False)):
        raise _wrong(record, "its blocks hold more than came")
    test.restore(record)
    return test


def _near(first: float, second: float) -> bool:
    return math.isclose(first, second, rel_tol=_CLOSE, abs_tol=_CLOSE)


def _wrong(record: Record, problem: str) -> Tampered:
    return Tampered(f"evidence '{record.test}'", problem)
