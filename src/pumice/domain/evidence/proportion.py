"""Time-uniform intervals of a rate, and of the mean of a paired difference."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from pumice.domain.evidence.mixture import Mixture, threshold

_EVEN = (np.arange(10) + 0.5) / 10
_SMALL = _EVEN[0] / 2.0 ** np.arange(1, 9)
_SHAPE = np.sqrt(_EVEN * (1.0 - _EVEN))

BETS: np.ndarray = np.concatenate([_EVEN, _SMALL])
"""Parts of the largest bet that cannot lose everything: ten even ones, and ever smaller ones for small differences."""

SPREAD: np.ndarray = np.concatenate([0.95 * _SHAPE / _SHAPE.sum(), np.full(len(_SMALL), 0.05 / len(_SMALL))])
"""How the capital is spread over `BETS`: most of it on the middle, 5 % on the small ones."""

_HALVINGS = 40


def proportion_interval(hits: int, n: int, alpha: float) -> tuple[float, float]:
    """The rate of an outcome, wherever one looks.

    Method: the rates that a mixture of likelihood ratios with the density Beta(1/2, 1/2) does not reject (Robbins
    1970): by Ville's inequality the true one is ever rejected with a probability of at most alpha.

    Args:
        hits: How often the outcome came.
        n: Examples.
        alpha: Probability that the interval ever misses the rate.

    Returns:
        Lower and upper end, in [0, 1].
    """
    if not n:
        return 0.0, 1.0

    def kept(rate: float) -> bool:
        return proportion_kept(hits, n, rate, alpha)

    return search(kept, hits / n, 0.0), search(kept, hits / n, 1.0)


def proportion_kept(hits: int, n: int, rate: float, alpha: float) -> bool:
    """Whether a rate is inside of `proportion_interval`."""
    mixed = _log_beta(hits + 0.5, n - hits + 0.5) - _log_beta(0.5, 0.5)
    likelihood = _times_log(hits, rate) + _times_log(n - hits, 1.0 - rate)
    return mixed - likelihood < threshold(alpha)


def drop_interval(counts: np.ndarray, alpha: float) -> tuple[float, float]:
    """The mean of a difference that is 0, 1 or -1, wherever one looks.

    Method: the means that neither a bet on a greater nor one on a smaller mean rejects, each at half of alpha
    (Waudby-Smith and Ramdas 2024).

    Args:
        counts: How often 0, 1 and -1 came, [3].
        alpha: Probability that the interval ever misses the mean.

    Returns:
        Lower and upper end, in [-1, 1].
    """
    n = int(counts.sum())
    if not n:
        return -1.0, 1.0
    mean = float(counts[1] - counts[2]) / n
    limit = threshold(alpha / 2)

    def not_below(value: float) -> bool:
        return value > -1.0 and float(Mixture(drop_factors(value), SPREAD).log(counts)) < limit

    def not_above(value: float) -> bool:
        return value < 1.0 and float(Mixture(gain_factors(value), SPREAD).log(counts)) < limit

    return search(not_below, mean, -1.0), search(not_above, mean, 1.0)


def drop_factors(mean: float) -> np.ndarray:
    """Factors of 0, 1 and -1 for bets that the mean is greater than a value, [bets, 3].

    A bet of part b of the largest safe one multiplies by ``1 - b + b (1 + d) / (1 + mean)``.
    """
    unit = BETS / (1.0 + mean)
    return np.stack([1.0 - BETS + unit, 1.0 - BETS + 2.0 * unit, 1.0 - BETS], axis=1)


def gain_factors(mean: float) -> np.ndarray:
    """Factors of 0, 1 and -1 for bets that the mean is smaller than a value, [bets, 3]."""
    unit = BETS / (1.0 - mean)
    return np.stack([1.0 - BETS + unit, 1.0 - BETS, 1.0 - BETS + 2.0 * unit], axis=1)


def search(kept: Callable[[float], bool], inside: float, end: float) -> float:
    """The last value towards an end that is kept, rounded outwards; what is kept is an interval.

    Args:
        kept: Tells whether a value is.
        inside: A value that is.
        end: The end of the range.
    """
    if kept(end):
        return end
    for _ in range(_HALVINGS):
        middle = (inside + end) / 2
        if kept(middle):
            inside = middle
        else:
            end = middle
    return end


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _times_log(count: int, rate: float) -> float:
    if not count:
        return 0.0
    return count * math.log(rate) if rate > 0.0 else -math.inf
