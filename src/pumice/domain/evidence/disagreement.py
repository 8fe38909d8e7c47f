"""Two models on the same inputs, without labels."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from pumice.domain.evidence.mixture import Mixture
from pumice.domain.evidence.proportion import proportion_interval
from pumice.domain.evidence.sequential import CountedTest, Flags, Interval, check_share, flags

_PRODUCTS = 128


class Disagreement(CountedTest):
    """Whether two models give different answers on less than a part of the inputs.

    Method: a mixture of likelihood ratios against the boundary (Robbins 1970). For PASS the alternative rates have the
    density Beta(1/2, 1/2) cut off at the margin; in the angle whose sine is the rate's root that density is flat, and
    it is mixed at 128 evenly spaced angles, which is an e-process of its own, not an approximation of one. For FAIL the
    rates lie above the margin.

    Null of PASS: the rate is at least the margin. Null of FAIL: it is at most the margin. Each is wrongly rejected with
    a probability of at most alpha over all looks together, as long as no example's rate, given those before, leaves its
    null.

    The loss of accuracy cannot be greater than the rate of disagreement, so PASS also proves a drop below the margin.

    Args:
        margin: Disagreement that is too much, above 0 and below 1.
        alpha: Probability of a wrong verdict, for each verdict.

    Raises:
        BadSetting: One of them is not between 0 and 1.
    """

    name: ClassVar[str] = "disagreement"
    outcomes: ClassVar[tuple[str, ...]] = ("same", "different")

    def __init__(self, margin: float, alpha: float = 0.05) -> None:
        check_share("margin", margin)
        edge = math.asin(math.sqrt(margin))
        below = _against(margin, 0.0, edge)
        above = _against(margin, edge, math.pi / 2)
        super().__init__(alpha, margin, below, above)

    def update(self, agree: Flags) -> None:
        """Take in examples.

        Args:
            agree: Whether both models gave the same answer, [n] or one.

        Raises:
            MalformedInput: These are not truth values.
        """
        self._see(1 - flags("agree", agree))

    @property
    def interval(self) -> Interval:
        """The rate of disagreement, at a level of 1 - alpha over all looks together."""
        return Interval(*proportion_interval(int(self._counts[1]), self.n, self.alpha))

    def _best_rates(self) -> np.ndarray:
        rate = self.interval.low
        return np.array([1.0 - rate, rate])


def _against(margin: float, start: float, end: float) -> Mixture:
    """Likelihood ratios of rates between two angles against the margin."""
    rates = np.sin(start + (np.arange(_PRODUCTS) + 0.5) / _PRODUCTS * (end - start)) ** 2
    return Mixture(np.stack([(1.0 - rates) / (1.0 - margin), rates / margin], axis=1))
