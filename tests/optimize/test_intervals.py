"""Intervals hold the truth as often as they say."""

from __future__ import annotations

import numpy as np
import pytest

from pumice.optimize.measure import median_interval, paired_drop, wilson


def test_wilson_gives_the_textbook_values() -> None:
    interval = wilson(81, 263)  # Newcombe 1998, table I
    assert (interval.low, interval.high) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(0, 20).low == 0.0
    assert wilson(20, 20).high == 1.0


def test_the_paired_drop_covers_the_truth() -> None:
    rng = np.random.default_rng(7)
    covered = 0
    for _ in range(1000):
        kinds = rng.choice(4, size=400, p=[0.85, 0.04, 0.02, 0.09])  # both right, lost, won, both wrong
        interval = paired_drop((kinds == 0) | (kinds == 1), (kinds == 0) | (kinds == 2))
        covered += interval.low <= 0.02 <= interval.high
    assert covered >= 930


def test_the_median_interval_covers_the_truth() -> None:
    rng = np.random.default_rng(8)
    draws = [median_interval(rng.lognormal(0.0, 1.0, size=60)) for _ in range(1000)]
    assert sum(interval.low <= 1.0 <= interval.high for interval in draws) >= 930
