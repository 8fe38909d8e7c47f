"""What the tests promise, by simulation: each stream is looked at after every example."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from pumice.evidence import (
    Disagreement,
    Harm,
    MeanConfidence,
    NonInferiority,
    QuantileConfidence,
    RateIncrease,
    SequentialTest,
    Verdict,
    proportion_interval,
)

STREAMS = 1000
LENGTH = 600
LONG = 2500
ALPHA = 0.05
AT_MOST = ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / STREAMS)
"""Alpha and three standard errors of the simulation."""

Stream = Callable[[np.random.Generator], SequentialTest]


def paired(
    random: np.random.Generator, only_base: float, only_candidate: float, n: int = LENGTH
) -> tuple[np.ndarray, np.ndarray]:
    """Which of two models is right, on a few thousand examples."""
    die = random.random(n)
    return ~((die >= only_base) & (die < only_base + only_candidate)), die >= only_base


def disagree(margin: float, rate: float, n: int = LENGTH) -> Stream:
    def stream(random: np.random.Generator) -> SequentialTest:
        test = Disagreement(margin, ALPHA)
        test.update(random.random(n) >= rate)
        return test

    return stream


def drop(margin: float, only_base: float, only_candidate: float, n: int = LENGTH) -> Stream:
    def stream(random: np.random.Generator) -> SequentialTest:
        test = NonInferiority(margin, ALPHA)
        test.update(*paired(random, only_base, only_candidate, n))
        return test

    return stream


def harm(only_base: float, only_candidate: float, n: int = LENGTH) -> Stream:
    def stream(random: np.random.Generator) -> SequentialTest:
        test = Harm(ALPHA)
        test.update(*paired(random, only_base, only_candidate, n))
        return test

    return stream


def rates(base: float, candidate: float, share: float) -> Stream:
    def stream(random: np.random.Generator) -> SequentialTest:
        test = RateIncrease(ALPHA)
        canary = random.random(LENGTH) < share
        bad = random.random(LENGTH) < np.where(canary, candidate, base)
        test.update(*(column.astype(int) for column in (bad & ~canary, ~canary, bad & canary, canary)))
        return test

    return stream


@pytest.mark.parametrize(
    ("stream", "wrong"),
    [
        pytest.param(disagree(0.02, 0.02), Verdict.PASS, id="disagreement-pass"),
        pytest.param(disagree(0.02, 0.02), Verdict.FAIL, id="disagreement-fail"),
        pytest.param(disagree(0.3, 0.3), Verdict.PASS, id="wide-disagreement-pass"),
        pytest.param(drop(0.02, 0.03, 0.01), Verdict.PASS, id="non-inferiority-pass"),
        pytest.param(drop(0.02, 0.03, 0.01), Verdict.FAIL, id="non-inferiority-fail"),
        pytest.param(drop(0.02, 0.02, 0.0), Verdict.PASS, id="non-inferiority-without-gains"),
        pytest.param(harm(0.01, 0.01), Verdict.FAIL, id="harm"),
        pytest.param(harm(0.2, 0.2), Verdict.FAIL, id="harm-between-strangers"),
        pytest.param(rates(0.1, 0.1, 0.1), Verdict.FAIL, id="rates-of-a-canary"),
        pytest.param(rates(0.02, 0.02, 0.5), Verdict.FAIL, id="rates-of-halves"),
        pytest.param(rates(0.2, 0.1, 0.3), Verdict.FAIL, id="rates-of-a-better-one"),
    ],
)
def test_false_alarms_stay_below_alpha(stream: Stream, wrong: Verdict) -> None:
    random = np.random.default_rng(11)
    alarms = sum(stream(random).verdict is wrong for _ in range(STREAMS))
    assert alarms / STREAMS <= AT_MOST


@pytest.mark.parametrize(
    ("stream", "verdict", "most"),
    [
        # a loss of 2 points at an accuracy of 0.90, with 2 % of discordant examples besides
        pytest.param(harm(0.03, 0.01, LONG), Verdict.FAIL, 600, id="harm"),
        pytest.param(disagree(0.01, 0.004, LONG), Verdict.PASS, 1300, id="disagreement"),
        pytest.param(drop(0.01, 0.005, 0.005, LONG), Verdict.PASS, 900, id="non-inferiority"),
        pytest.param(rates(0.02, 0.10, 0.5), Verdict.FAIL, 500, id="rates"),
    ],
)
def test_what_is_so_is_proven_soon(stream: Stream, verdict: Verdict, most: int) -> None:
    random = np.random.default_rng(12)
    decisions = [stream(random).record().decision for _ in range(STREAMS // 2)]
    took = [math.inf if decision is None or decision.verdict is not verdict else decision.n for decision in decisions]
    assert np.median(took) <= most


def test_the_interval_of_a_rate_seldom_misses_it_at_any_look() -> None:
    random = np.random.default_rng(13)
    looks = np.unique(np.geomspace(1, LENGTH, 40).astype(int))
    missed = 0
    for _ in range(STREAMS // 4):
        hits = np.cumsum(random.random(LENGTH) < 0.1)
        missed += any(
            not low <= 0.1 <= high
            for low, high in (proportion_interval(int(hits[n - 1]), int(n), ALPHA) for n in looks)
        )
    assert missed / (STREAMS // 4) <= ALPHA


def test_the_interval_of_a_mean_seldom_misses_it_at_any_look() -> None:
    random = np.random.default_rng(14)
    missed = 0
    for _ in range(120):
        confidence = MeanConfidence(ALPHA)
        good = True
        for piece in np.array_split(random.beta(8.0, 2.0, 1000), 12):
            confidence.update(piece)
            low, high = confidence.interval
            good &= low <= 0.8 <= high
        missed += not good
    assert missed / 120 <= ALPHA
    assert high - low < 0.06


def test_the_interval_of_a_quantile_seldom_misses_it_at_any_look() -> None:
    random = np.random.default_rng(15)
    truth = -math.log(0.1)
    missed = 0
    for _ in range(200):
        confidence = QuantileConfidence(0.9, ALPHA)
        good = True
        for piece in np.array_split(random.exponential(size=2000), 25):
            confidence.update(piece)
            low, high = confidence.interval
            good &= low <= truth <= high
        missed += not good
    assert missed / 200 <= ALPHA
    assert low < confidence.value < high
    assert high - low < 0.8
