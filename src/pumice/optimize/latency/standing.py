"""What the timed pairs prove of a candidate, at each point of the serving to come."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import NamedTuple

from pumice.domain.evidence.proportion import proportion_interval, proportion_kept
from pumice.domain.evidence.quantile import QuantileConfidence
from pumice.domain.evidence.sequential import Interval
from pumice.optimize.findings import Bounds, LatencyFinding, LatencyPoint
from pumice.optimize.latency.timing import Pairs

UNKNOWN = 1e9
"""Upper end of an interval of which too few pairs are known."""

_DOUBT = 0.1


class Point(NamedTuple):
    """Under which a model is timed.

    Attributes:
        rows: Rows of a batch.
        threads: Threads of one inference.
    """

    rows: int
    threads: int


class PointStanding:
    """Pairs at one point.

    The median of the ratio, pair by pair, and the candidate's own median each have half of the error. Both hold
    however often one looks, for pairs that are independent and of one distribution; blocks of them that lie apart in
    time come near to that.

    Args:
        point: The point.
        alpha: Error of both intervals together.
    """

    def __init__(self, point: Point, alpha: float) -> None:
        self.point = point
        self.base: list[float] = []
        self._ratios: list[float] = []
        self._ratio = QuantileConfidence(0.5, alpha / 2)
        self._value = QuantileConfidence(0.5, alpha / 2)
        self._bounds: Interval | None = None

    @property
    def n(self) -> int:
        """Pairs so far."""
        return self._ratio.n

    def add(self, pairs: Pairs) -> None:
        """Take in pairs."""
        self.base += pairs.base
        self._value.update(pairs.value)
        ratios = [value / base for base, value in zip(pairs.base, pairs.value, strict=True)]
        self._ratios += ratios
        self._ratio.update(ratios)
        self._bounds = None

    @property
    def ratio(self) -> float:
        """Candidate over base: the median of the pairs."""
        return self._ratio.value

    @property
    def bounds(self) -> Interval:
        """Where the median of the ratio lies."""
        if self._bounds is None:
            self._bounds = Interval(*_finite(self._ratio.interval))
        return self._bounds

    def hopeless(self, limit: float, more: int) -> bool:
        """Whether so many more pairs would not prove the ratio below a limit, even if they go as well as they may.

        How well they may go is told by the pairs so far, with some doubt left. To stop for it makes no verdict wrong.
        """
        below = sum(ratio < limit for ratio in self._ratios)
        best = proportion_interval(below, self.n, _DOUBT)[1]
        at_end, hits = self.n + more, below + round(more * best)
        return hits * 2 <= at_end or proportion_kept(hits, at_end, 0.5, self._ratio.alpha)

    def finding(self) -> LatencyPoint:
        """What is told of it."""
        return LatencyPoint(
            rows=self.point.rows,
            threads=self.point.threads,
            base=statistics.median(self.base),
            value=self._value.value,
            interval=_finite(self._value.interval),
            ratio=self.ratio,
            ratio_interval=(self.bounds.low, self.bounds.high),
        )


class LatencyStanding:
    """All points of one candidate; the error is shared among them.

    Args:
        points: The points; at least one.
        alpha: Error of all of them together.
    """

    def __init__(self, points: Sequence[Point], alpha: float) -> None:
        self.points = {point: PointStanding(point, alpha / len(points)) for point in points}

    @property
    def timed(self) -> bool:
        """Whether there are pairs at every point."""
        return all(point.n for point in self.points.values())

    def below(self, limit: float) -> bool:
        """Whether the ratio is proven below a limit at every point."""
        return all(point.bounds.high < limit for point in self.points.values())

    def above(self, limit: float) -> bool:
        """Whether the ratio is proven to be a limit or more at some point."""
        return any(point.bounds.low >= limit for point in self.points.values())

    def worst(self) -> PointStanding:
        """The point at which the candidate is worst against the base."""
        return max(self.points.values(), key=lambda point: (point.bounds.high, point.ratio))

    def slowest(self) -> PointStanding:
        """The point at which most slowness is proven."""
        return max(self.points.values(), key=lambda point: point.bounds.low)

    def finding(self) -> LatencyFinding | None:
        """What is told of it; None if some point was never timed."""
        if not self.timed:
            return None
        worst = self.worst().finding()
        return LatencyFinding(
            value=worst.value,
            interval=worst.interval,
            ratio=worst.ratio,
            ratio_interval=worst.ratio_interval,
            points=[point.finding() for point in self.points.values()],
        )


def _finite(interval: Interval) -> Bounds:
    return max(0.0, interval.low), min(UNKNOWN, interval.high)
