"""Time-uniform interval of a mean of values in [0, 1]."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pumice.domain.errors import MalformedInput
from pumice.domain.evidence.mixture import threshold
from pumice.domain.evidence.proportion import search
from pumice.domain.evidence.samples import Samples
from pumice.domain.evidence.sequential import Interval, check_share

_BOLDEST = 0.75


class MeanConfidence:
    """Where the mean of values in [0, 1] lies, however often one looks.

    Method: the betting confidence sequence of Waudby-Smith and Ramdas (2024, "Estimating means of bounded random
    variables by betting"): a mean is left out when a bet that the true one is greater, or one that it is smaller, has
    multiplied its stake by ``2 / alpha``. The bets are their predictable plug-ins, by the variance of the values
    before, and at most 0.75, so that they are safe for every mean at once.

    Guarantee: if all values have the same mean, given those before, the interval ever misses it with a probability of
    at most alpha.

    Args:
        alpha: Probability that the interval ever misses the mean.

    Raises:
        BadSetting: Alpha is not between 0 and 1.
    """

    def __init__(self, alpha: float = 0.05) -> None:
        check_share("alpha", alpha)
        self.alpha = alpha
        self._values = Samples()
        self._bets = Samples()
        self._sum = 0.0
        self._squares = 0.0

    @property
    def n(self) -> int:
        """Values seen."""
        return len(self._values)

    @property
    def mean(self) -> float:
        """Mean of the values seen; 0.5 before the first."""
        return self._sum / self.n if self.n else 0.5

    def update(self, values: npt.ArrayLike) -> None:
        """Take in values.

        Args:
            values: Numbers in [0, 1], one or [n].

        Raises:
            MalformedInput: One is outside, or these are no numbers.
        """
        given = np.atleast_1d(np.asarray(values, float))
        if given.ndim != 1 or not ((given >= 0.0) & (given <= 1.0)).all():
            raise MalformedInput("values", "expected numbers in [0, 1], one or a flat array of them")
        place = self.n + np.arange(1, len(given) + 1)
        sums = self._sum + np.cumsum(given)
        means = (0.5 + sums) / (place + 1.0)
        squares = self._squares + np.cumsum((given - means) ** 2)
        # the bet on a value uses the values before it alone
        before = np.concatenate([[self._squares], squares[:-1]]) if len(given) else squares
        variance = (0.25 + before) / place
        bets = np.sqrt(2.0 * threshold(self.alpha / 2) / (variance * place * np.log1p(place)))
        self._bets.add(np.minimum(bets, _BOLDEST))
        self._values.add(given)
        if len(given):
            self._sum, self._squares = float(sums[-1]), float(squares[-1])

    @property
    def interval(self) -> Interval:
        """Where the mean lies, at a level of 1 - alpha over all looks together."""
        if not self.n:
            return Interval(0.0, 1.0)
        limit = threshold(self.alpha / 2)
        bets, values = self._bets.array, self._values.array

        def not_below(value: float) -> bool:
            return float(np.log1p(bets * (values - value)).sum()) < limit

        def not_above(value: float) -> bool:
            return float(np.log1p(bets * (value - values)).sum()) < limit

        # each bet's gain falls towards the side that it is on, so the mean at which it gains nothing is kept by both
        inside = float(np.average(values, weights=bets))
        return Interval(search(not_below, inside, 0.0), search(not_above, inside, 1.0))
