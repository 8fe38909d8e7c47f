"""Latency is measured in turn, and its intervals hold the truth."""

from __future__ import annotations

import gc

import numpy as np
import pytest

from pumice.domain.signature import Arrays
from pumice.optimize.latency.standing import LatencyStanding, Point, PointStanding
from pumice.optimize.latency.timing import FEWEST, Pairs, time_pairs

POINTS = [Point(1, 1), Point(16, 1)]


class _Bench:
    """Two models whose runs take the time that is said, on a clock of its own."""

    def __init__(self, *seconds: float) -> None:
        self.now = 0.0
        self.order: list[int] = []
        self.base, self.candidate = (self._model(which, spent) for which, spent in enumerate(seconds))

    def clock(self) -> float:
        return self.now

    def _model(self, which: int, seconds: float):  # type: ignore[no-untyped-def]
        def run(batch: Arrays) -> None:
            assert not gc.isenabled()
            self.order.append(which)
            # every third run is disturbed for long
            self.now += seconds + (0.5 if len(self.order) % 3 == 0 else 0.0)

        return run


def test_both_take_turns_and_the_shortest_of_short_runs_counts() -> None:
    bench = _Bench(0.004, 0.002)
    pairs = time_pairs(bench.base, bench.candidate, [{}, {}, {}], bench.clock)
    assert gc.isenabled()
    assert pairs.base == pytest.approx([4.0] * 3)
    assert pairs.value == pytest.approx([2.0] * 3)
    assert bench.order[4:] == [1, 0] * 5 + [0, 1] * 5 + [1, 0] * 5


def test_no_pair_is_begun_after_the_time_is_up_but_so_many_that_they_can_tell() -> None:
    bench = _Bench(10.0, 5.0)
    pairs = time_pairs(bench.base, bench.candidate, [{}] * 50, bench.clock, longest=35.0)
    assert len(pairs.base) == FEWEST
    place = PointStanding(POINTS[0], 0.05 / 8)
    place.add(pairs)
    assert place.bounds.high < 0.98
    bench = _Bench(1.0, 1.0)
    assert len(time_pairs(bench.base, bench.candidate, [{}] * 50, bench.clock, longest=60.0).base) < 30


def _drawn(draw: np.random.Generator, ratio: float, count: int = 24) -> Pairs:
    """Pairs with this median ratio, on a machine that is often disturbed."""
    base, value = draw.lognormal(0.0, 0.3, size=(2, count)) * np.where(draw.random((2, count)) < 0.2, 8.0, 1.0)
    return Pairs(base.tolist(), (ratio * value).tolist(), 0.0)


def test_the_intervals_of_all_points_hold_the_truth_at_every_look() -> None:
    draw = np.random.default_rng(11)
    missed = 0
    for _ in range(400):
        standing = LatencyStanding(POINTS, 0.2)
        held = True
        for _ in range(8):
            for place in standing.points.values():
                place.add(_drawn(draw, 0.7))
                held &= place.bounds.low <= 0.7 <= place.bounds.high
        missed += not held
    # half of the error is that of the candidate's own median
    assert missed / 400 <= 0.1 + 3 * (0.1 * 0.9 / 400) ** 0.5


def test_a_clear_difference_is_proven_soon_and_no_difference_never() -> None:
    draw = np.random.default_rng(12)
    for ratio, faster, slower in ((0.5, True, False), (1.0, False, False), (4.6, False, True)):
        standing = LatencyStanding(POINTS, 0.01)
        assert not standing.timed
        assert standing.finding() is None
        for place in standing.points.values():
            place.add(_drawn(draw, ratio, 48))
        assert (standing.below(0.98), standing.above(1.0)) == (faster, slower)
        told = standing.finding()
        assert told
        assert told.ratio_interval[0] <= told.ratio <= told.ratio_interval[1]
        assert len(told.points) == 2


def test_what_cannot_be_proven_in_the_time_left_is_given_up() -> None:
    place = PointStanding(POINTS[0], 0.01)
    place.add(Pairs([1.0] * 24, [0.5] * 16 + [1.5] * 8, 0.0))
    assert not place.hopeless(0.98, more=200)
    assert place.hopeless(0.98, more=4)
    same = PointStanding(POINTS[0], 0.01)
    same.add(Pairs([1.0] * 240, [0.9, 1.1] * 120, 0.0))
    assert same.hopeless(0.98, more=200)
