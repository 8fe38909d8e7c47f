"""Time-uniform interval of a quantile, for latencies."""

from __future__ import annotations

import math
from bisect import bisect_left

import numpy as np
import numpy.typing as npt

from pumice.domain.errors import MalformedInput
from pumice.domain.evidence.proportion import proportion_kept
from pumice.domain.evidence.samples import Samples
from pumice.domain.evidence.sequential import Interval, check_share


class QuantileConfidence:
    """Where a quantile lies, however often one looks.

    Method: whether a value is at most the true quantile is an outcome of known rate (Howard and Ramdas 2022,
    "Sequential estimation of quantiles with applications to A/B testing and best-arm identification"). So the order
    statistics are left out whose share of values below is rejected as that rate, by the mixture with the density
    Beta(1/2, 1/2) that `proportion_kept` tells.

    Guarantee: for values that are independent and have one continuous distribution, the interval ever misses the
    quantile with a probability of at most alpha.

    Args:
        quantile: Which one, above 0 and below 1: 0.5 for the median, 0.99 for the 99th percentile.
        alpha: Probability that the interval ever misses it.

    Raises:
        BadSetting: One of them is not between 0 and 1.
    """

    def __init__(self, quantile: float, alpha: float = 0.05) -> None:
        check_share("quantile", quantile)
        check_share("alpha", alpha)
        self.quantile = quantile
        self.alpha = alpha
        self._values = Samples()

    @property
    def n(self) -> int:
        """Values seen."""
        return len(self._values)

    @property
    def value(self) -> float:
        """The quantile of the values seen; not a number before the first."""
        return float(np.quantile(self._values.array, self.quantile)) if self.n else math.nan

    def update(self, values: npt.ArrayLike) -> None:
        """Take in values.

        Args:
            values: Finite numbers, one or [n].

        Raises:
            MalformedInput: One is not finite, or these are no numbers.
        """
        given = np.atleast_1d(np.asarray(values, float))
        if given.ndim != 1 or not np.isfinite(given).all():
            raise MalformedInput("values", "expected finite numbers, one or a flat array of them")
        self._values.add(given)

    @property
    def interval(self) -> Interval:
        """Where the quantile lies, at a level of 1 - alpha over all looks together; infinite where nothing is known."""
        n = self.n
        middle = min(max(round(n * self.quantile), 0), n)
        # the numbers of values at or below the quantile that are kept have no gaps
        fewest = bisect_left(range(middle + 1), 1, key=self._kept)
        most = middle + bisect_left(range(n - middle + 1), 1, key=lambda more: not self._kept(middle + more)) - 1
        ordered = np.sort(self._values.array)
        return Interval(
            float(ordered[fewest - 1]) if fewest > 0 else -math.inf,
            float(ordered[most]) if most < n else math.inf,
        )

    def _kept(self, below: int) -> bool:
        """Whether the quantile may have that many values at or below it."""
        return proportion_kept(below, self.n, self.quantile, self.alpha)
