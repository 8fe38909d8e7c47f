"""When a batch goes and how large it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pumice.runtime.front.curve import LatencyCurve
from pumice.runtime.front.sharing import Sharing


def test_the_curve_finds_the_line() -> None:
    curve = LatencyCurve()
    for rows in [1, 4, 16, 8, 2, 32] * 5:
        curve.observe(rows, 0.003 * rows + 0.002)
    assert curve.line == pytest.approx((0.003, 0.002), rel=1e-6)


def test_one_size_alone_counts_a_quarter_as_fixed() -> None:
    curve = LatencyCurve()
    curve.observe(1, 0.016)
    assert curve.line == pytest.approx((0.012, 0.004))


def test_batches_of_one_size_follow_the_speed_of_the_machine() -> None:
    curve = LatencyCurve()
    curve.observe(1, 0.005)
    for _ in range(1000):
        curve.observe(8, 0.003 * 8 + 0.002)
    assert curve.line == pytest.approx((0.003, 0.002), rel=1e-3)


@given(st.lists(st.tuples(st.integers(1, 64), st.floats(0, 10)), min_size=1, max_size=50))
def test_the_line_is_never_negative(batches: list[tuple[int, float]]) -> None:
    curve = LatencyCurve()
    for rows, seconds in batches:
        curve.observe(rows, seconds)
    slope, fixed = curve.line
    assert slope >= 0
    assert fixed >= -1e-9


def taught(per_row: float, fixed: float, max_rows: int = 32, max_delay: float = 0.0) -> Sharing:
    sharing = Sharing(max_rows, max_delay)
    for rows in [1, 4, 8, 16] * 5:
        sharing.answered(rows, rows, per_row * rows + fixed, now=0.0)
    return sharing


def test_free_replicas_share_what_costs_by_the_row() -> None:
    assert taught(0.004, 0.002).rows_for(16, 2, (), 0.0) == 8
    assert taught(0.004, 0.002).rows_for(15, 2, (), 0.0) == 8
    assert taught(0.004, 0.0041).rows_for(200, 2, (), 0.0) == 21


def test_a_replica_leaves_rows_to_one_that_is_soon_free() -> None:
    sharing = taught(0.004, 0.002)
    assert sharing.rows_for(15, 1, [(1, 0.0)], 0.001) == 8
    assert sharing.rows_for(15, 1, [(32, 0.0)], 0.001) >= 10  # the other one is busy for long: nobody waits for it
    assert sharing.rows_for(8, 1, [(8, 0.0)], 0.001) >= 8  # nothing to even out


def test_a_batch_is_full_when_more_rows_save_nothing() -> None:
    assert taught(0.004, 0.0021).full == 11
    assert taught(0.004, 0.0).full == 8
    assert taught(0.000001, 0.0005).full == 32
    assert taught(0.0, 0.0).full == 32
    assert taught(0.004, 0.002, max_rows=4).full == 4


def test_a_model_that_costs_by_the_batch_is_not_split() -> None:
    assert taught(0.000001, 0.0005).rows_for(16, 2, (), 0.0) == 32


def test_a_batch_waits_for_callers_that_come_back() -> None:
    sharing = taught(0.004, 0.002)
    for turn in range(20):  # 8 callers that always come back at once
        now = float(turn)
        sharing.answered(8, 8, 0.034, now)
        for _ in range(8):
            sharing.arrived(now + 0.0001)
    now = 100.0
    sharing.answered(8, 8, 0.034, now)
    sharing.arrived(now + 0.0001)
    assert sharing.hold_until(1, now, now + 0.0001) > now + 0.0001
    for _ in range(7):
        sharing.arrived(now + 0.0002)
    assert sharing.hold_until(8, now, now + 0.0002) <= now + 0.0002


def test_nobody_waits_for_callers_that_do_not_come_back() -> None:
    sharing = taught(0.004, 0.002)
    for turn in range(20):
        sharing.answered(8, 8, 0.034, float(turn))
    assert sharing.hold_until(1, 100.0, 100.0) <= 100.0


def test_a_full_batch_never_waits() -> None:
    sharing = taught(0.004, 0.002, max_rows=4, max_delay=1.0)
    assert sharing.hold_until(4, 10.0, 10.0) <= 10.0
    assert sharing.hold_until(3, 10.0, 10.0) == 11.0
