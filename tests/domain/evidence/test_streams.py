"""How the tests take in examples, what they tell, and what they refuse."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pumice.domain.errors import BadSetting, MalformedInput
from pumice.evidence import (
    Disagreement,
    Harm,
    MeanConfidence,
    NonInferiority,
    QuantileConfidence,
    RateIncrease,
    Together,
    Verdict,
    mean_e_value,
    shared,
)

FLAGS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=200)


@settings(max_examples=40, deadline=None)
@given(FLAGS, st.floats(0.01, 0.9))
def test_examples_may_come_one_by_one_or_all_at_once(pairs: list[tuple[bool, bool]], margin: float) -> None:
    at_once, singly = NonInferiority(margin), NonInferiority(margin)
    at_once.update([base for base, _ in pairs], [candidate for _, candidate in pairs])
    for base, candidate in pairs:
        singly.update(base, candidate)
    assert singly.record() == at_once.record()


@settings(max_examples=40, deadline=None)
@given(FLAGS, st.integers(1, 9))
def test_groups_may_come_one_by_one_or_all_at_once(pairs: list[tuple[bool, bool]], many: int) -> None:
    table = np.array([(bad * many, many, 0, 0) if base else (0, 0, bad, 1) for base, bad in pairs])
    at_once, singly = RateIncrease(), RateIncrease()
    at_once.update(*table.T)
    for row in table:
        singly.update(*row)
    assert singly.record() == at_once.record()


@settings(max_examples=40, deadline=None)
@given(FLAGS)
def test_the_first_crossing_is_the_one_that_counts(pairs: list[tuple[bool, bool]]) -> None:
    """Held against the plain way: the evidence after every single example."""
    test, limit = Disagreement(0.2, 0.2), 5.0
    agree = [base == candidate for base, candidate in pairs]
    first = None
    for n in range(1, len(agree) + 1):
        test = Disagreement(0.2, 0.2)
        test.update(agree[:n])
        reached = [v for v, e in ((Verdict.FAIL, test.e_value_fail), (Verdict.PASS, test.e_value)) if e >= limit]
        if reached and first is None:
            first = (reached[0], n)
    decision = test.record().decision
    assert (None if decision is None else (decision.verdict, decision.n)) == first


def test_a_verdict_stays_while_the_evidence_moves_on() -> None:
    test = Disagreement(0.1)
    test.update(np.ones(200))
    assert test.verdict is Verdict.PASS
    test.update(np.zeros(200))
    assert test.verdict is Verdict.PASS
    assert test.e_value < 1 < test.e_value_fail
    assert test.interval.low > 0.1
    assert test.n == 400


def test_nothing_is_known_before_the_first_example() -> None:
    for test in (Disagreement(0.01), NonInferiority(0.01), Harm(), RateIncrease()):
        assert test.verdict is Verdict.NOT_YET
        assert test.n == 0
        assert test.e_value == pytest.approx(1.0)
        low, high = test.interval
        assert low <= -1.0 or (low, high) == (0.0, 1.0)
    assert MeanConfidence().interval == (0.0, 1.0)
    assert QuantileConfidence(0.5).interval == (-math.inf, math.inf)


def test_an_empty_update_changes_nothing() -> None:
    tests = Disagreement(0.01), NonInferiority(0.01), Harm(), RateIncrease()
    before = [test.record() for test in tests]
    tests[0].update([])
    tests[1].update([], [])
    tests[2].update([], [])
    tests[3].update([], [], [], [])
    mean = MeanConfidence()
    mean.update([])
    assert mean.n == 0
    assert [test.record() for test in tests] == before


def test_it_is_said_when_more_examples_are_of_no_use() -> None:
    test = NonInferiority(0.01)
    test.update([1] * 100, [1] * 100)
    assert test.futile(150)
    assert not test.futile(2000)
    needed = test.remaining()
    assert needed is not None
    test.update([1] * 500, [1] * 500)
    assert test.verdict is Verdict.PASS
    assert test.remaining() == 0
    bad = NonInferiority(0.01)
    bad.update([1] * 60, [1, 1, 1, 0] * 15)
    assert bad.verdict is Verdict.FAIL
    assert bad.futile(10**9)
    assert bad.remaining() is None


def test_harm_is_futile_where_none_can_show() -> None:
    test = Harm()
    test.update([1, 0] * 500, [1, 0] * 500)
    assert test.futile(1100)
    assert not test.futile(10**6)
    assert test.remaining() is None
    rates = RateIncrease()
    rates.update(5, 1000, 5, 1000)
    assert rates.futile(2010)
    assert not rates.futile(10**6)


def test_about_so_many_more_are_needed() -> None:
    random = np.random.default_rng(3)
    test = Disagreement(0.05)
    test.update(random.random(60) >= 0.02)
    estimate = test.remaining()
    assert estimate is not None
    assert 10 < estimate < 2000
    rates = RateIncrease()
    rates.update(4, 100, 12, 100)
    more = rates.remaining()
    assert more is not None
    rates.update(*np.tile([4, 100, 12, 100], (more // 100 + 1, 1)).T)
    assert rates.verdict is Verdict.FAIL


def test_slices_pass_together_or_not_at_all() -> None:
    good, bad, open_ = Disagreement(0.1), Disagreement(0.1), Disagreement(0.1)
    good.update(np.ones(300))
    bad.update(np.zeros(300))
    assert Together({"a": good, "b": good}).verdict is Verdict.PASS
    assert Together({"a": good, "b": open_}).verdict is Verdict.NOT_YET
    both = Together({"a": good, "b": bad})
    assert both.verdict is Verdict.FAIL
    assert both.worst() == "b"
    assert both.pass_error == 0.05
    assert both.fail_error == pytest.approx(0.1)


def test_an_error_is_shared() -> None:
    assert shared(0.05, 4) == pytest.approx([0.0125] * 4)
    assert shared(0.06, [1, 2]) == pytest.approx([0.02, 0.04])
    assert mean_e_value([1.0, 39.0]) == 20.0


@pytest.mark.parametrize("value", [0.0, 1.0, -0.1, math.nan])
def test_margins_and_errors_are_parts_of_one(value: float) -> None:
    for make in (
        lambda: Disagreement(value), lambda: NonInferiority(value), lambda: Harm(value), lambda: RateIncrease(value),
        lambda: MeanConfidence(value), lambda: QuantileConfidence(value), lambda: shared(value, 2),
    ):  # fmt: skip
        with pytest.raises(BadSetting):
            make()
    with pytest.raises(BadSetting):
        shared(0.05, 0)
    with pytest.raises(BadSetting):
        shared(0.05, [1.0, -1.0])
    with pytest.raises(BadSetting):
        Together({})
    with pytest.raises(BadSetting):
        mean_e_value([])


def test_what_is_no_example_is_refused_and_loses_nothing() -> None:
    paired, rates, mean, quantile = Harm(), RateIncrease(), MeanConfidence(), QuantileConfidence(0.5)
    calls: list[Callable[[], None]] = [
        lambda: Disagreement(0.1).update([0.5]),
        lambda: Disagreement(0.1).update(["yes"]),
        lambda: Disagreement(0.1).update([[1]]),
        lambda: Disagreement(0.1).update(math.nan),
        lambda: paired.update([1, 0], [1]),
        lambda: rates.update(2, 1, 0, 1),
        lambda: rates.update(-1, 1, 0, 1),
        lambda: rates.update(0.5, 1, 0, 1),
        lambda: rates.update([0, 0], [1, 1], [0], [1]),
        lambda: mean.update(1.5),
        lambda: mean.update(math.nan),
        lambda: quantile.update(math.inf),
    ]
    for call in calls:
        with pytest.raises(MalformedInput):
            call()
    assert paired.n == rates.n == mean.n == quantile.n == 0
