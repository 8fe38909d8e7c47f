"""Two models on the same inputs, with labels: how much less often the candidate is right.

Both tests bet on the paired difference of an example: 1 where only the base is right, -1 where only the candidate is, 0
otherwise. Its mean is the drop of accuracy.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from pumice.domain.evidence.mixture import Mixture
from pumice.domain.evidence.proportion import SPREAD, drop_factors, drop_interval, gain_factors, proportion_interval
from pumice.domain.evidence.sequential import CountedTest, Flags, Interval, check_share, paired_flags


class _Paired(CountedTest):
    """What both tests share."""

    outcomes: ClassVar[tuple[str, ...]] = ("equal", "only_base", "only_candidate")

    def update(self, base_right: Flags, cand_right: Flags) -> None:
        """Take in examples.

        Args:
            base_right: Whether the base model was right, [n] or one.
            cand_right: Whether the candidate was, on the same examples in the same order.

        Raises:
            MalformedInput: These are not truth values, or not equally many.
        """
        base, candidate = paired_flags(base_right, cand_right)
        self._see(np.where(base == candidate, 0, np.where(base > candidate, 1, 2)))

    @property
    def interval(self) -> Interval:
        """The drop of accuracy (base minus candidate), at a level of 1 - alpha over all looks together."""
        return Interval(*drop_interval(self._counts, self.alpha))

    def _open_rates(self) -> tuple[Interval, Interval]:
        """Where the rates lie at which only the base, and only the candidate, is right."""
        _, only_base, only_candidate = self._counts.tolist()
        shared = self.alpha / 2
        return (
            Interval(*proportion_interval(only_base, self.n, shared)),
            Interval(*proportion_interval(only_candidate, self.n, shared)),
        )


class NonInferiority(_Paired):
    """Whether a candidate loses less accuracy than a margin.

    Method: testing by betting on a bounded mean (Waudby-Smith and Ramdas 2024, "Estimating means of bounded random
    variables by betting"), with the capital spread over a grid of 18 fixed bets. Fixed bets need no estimate
    from the past, so they lose nothing while there is none.

    Null of PASS: the drop is at least the margin. Null of FAIL: it is at most the margin. Each is wrongly rejected with
    a probability of at most alpha over all looks together, as long as the mean of no example's difference, given those
    before, leaves its null.

    Args:
        margin: Drop of accuracy that is too much, above 0 and below 1.
        alpha: Probability of a wrong verdict, for each verdict.

    Raises:
        BadSetting: One of them is not between 0 and 1.
    """

    name: ClassVar[str] = "non-inferiority"

    def __init__(self, margin: float, alpha: float = 0.05) -> None:
        check_share("margin", margin)
        super().__init__(alpha, margin, Mixture(gain_factors(margin), SPREAD), Mixture(drop_factors(margin), SPREAD))

    def _best_rates(self) -> np.ndarray:
        losses, gains = self._open_rates()
        worse, better = losses.low, min(gains.high, 1.0 - losses.low)
        return np.array([1.0 - worse - better, worse, better])


class Harm(_Paired):
    """Whether a candidate is proven worse than its base. It gives FAIL or nothing.

    Method: as for `NonInferiority`, with a margin of 0.

    Null: the candidate is right at least as often as the base. It is wrongly rejected with a probability of at most
    alpha over all looks together.

    Args:
        alpha: Probability of a wrong FAIL.

    Raises:
        BadSetting: Alpha is not between 0 and 1.
    """

    name: ClassVar[str] = "harm"

    def __init__(self, alpha: float = 0.05) -> None:
        super().__init__(alpha, None, None, Mixture(drop_factors(0.0), SPREAD))

    def _best_rates(self) -> np.ndarray:
        losses, gains = self._open_rates()
        better, worse = gains.low, min(losses.high, 1.0 - gains.low)
        return np.array([1.0 - worse - better, worse, better])
