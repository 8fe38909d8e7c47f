"""When a contender is timed, and when that is enough."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np

from pumice.domain.signature import Arrays
from pumice.optimize.examples import Examples
from pumice.optimize.findings import Objective
from pumice.optimize.latency.standing import LatencyStanding, Point, PointStanding
from pumice.optimize.latency.timing import Pairs, time_pairs
from pumice.optimize.loaded import Measured
from pumice.optimize.race import reasons
from pumice.optimize.race.contender import Contender
from pumice.optimize.race.journal import Journal
from pumice.optimize.race.models import Models
from pumice.optimize.race.plan import Timing
from pumice.optimize.race.reasons import Reason

Timer = Callable[[Measured, Measured, Sequence[Arrays], float], Pairs]
"""Times base and candidate on the same batches, in turn, for no longer than so many seconds."""

BASE = ""
"""Under which the original is loaded."""

_NARROW = 0.1
_BLOCKS_IN_TIME = 4


def in_turn(base: Measured, candidate: Measured, batches: Sequence[Arrays], longest: float) -> Pairs:
    """Time both for real."""
    return time_pairs(base.run, candidate.run, batches, longest=longest)


class Timetable:
    """Times contenders, block by block, until it is decided or the time is up.

    For the objective ``latency`` it is decided if a contender is proven faster by the gain at every point, or proven
    not to be so at one. For ``size`` it is decided if it is proven slower at one, or if at every point it is proven
    not slower or its interval is narrow.

    Args:
        timing: How latency is measured.
        objective: What a variant has to be better at.
        examples: What the batches are taken from.
        journal: Keeps the times.
        models: The models.
        timer: Times a block.
    """

    def __init__(
        self,
        timing: Timing,
        objective: Objective,
        examples: Examples,
        journal: Journal,
        models: Models,
        *,
        timer: Timer,
    ) -> None:
        self._timing = timing
        self._examples = examples
        self._journal = journal
        self._models = models
        self._timer = timer
        self._for_size = objective == "size"
        self._limit = 1.0 if self._for_size else 1.0 - timing.gain
        self._blocks: dict[str, int] = {}

    def wants(self, contender: Contender) -> bool:
        """Whether another block may still change something."""
        standing = contender.latency
        return (
            contender.racing
            and standing is not None
            and any(self._open(standing))
            and self._left(contender) > 0
            and not any(self._hopeless(place, self._left(contender)) for place in standing.points.values())
        )

    def time(self, contender: Contender) -> None:
        """Time a contender for a block at each point that is open, and drop it if it has lost."""
        standing = contender.latency
        if standing is None:
            return
        block = self._blocks.get(contender.name, 0)
        self._blocks[contender.name] = block + 1
        for place in list(self._open(standing)):
            key = f"time/{contender.name}/{block}/{place.point.rows}x{place.point.threads}"
            pairs = self._journal.once(key, Pairs, partial(self._pairs, contender.name, place.point, block))
            place.add(pairs)
            contender.timed += len(pairs.base)
            contender.seconds += pairs.seconds
        if self.lost(standing):
            contender.drop(self._why(standing.slowest()))

    def won(self, standing: LatencyStanding) -> bool:
        """Whether it is as fast as the objective asks for: proven faster, or for ``size`` not proven slower."""
        return standing.timed and (not self.lost(standing) if self._for_size else standing.below(self._limit))

    def lost(self, standing: LatencyStanding) -> bool:
        """Whether it is proven not to be that."""
        return standing.above(1.0 if self._for_size else self._limit)

    def unproven(self, standing: LatencyStanding | None) -> Reason:
        """Why it is not as fast as the objective asks for, though it is not proven slow either."""
        if standing is None or not standing.timed:
            return reasons.UNTIMED
        return reasons.not_proven_faster(standing.worst(), self._timing.gain)

    def _left(self, contender: Contender) -> int:
        """About how many more pairs there is time for, at each point."""
        left = (self._timing.blocks - self._blocks.get(contender.name, 0)) * self._timing.pairs
        if not contender.timed:
            return left
        points = len(contender.latency.points) if contender.latency else 1
        seconds = max(0.0, self._timing.seconds - contender.seconds)
        return min(left, int(seconds / contender.seconds * contender.timed / points))

    def _hopeless(self, place: PointStanding, more: int) -> bool:
        return (
            not self._for_size
            and place.n > 0
            and place.bounds.high >= self._limit
            and place.hopeless(self._limit, more)
        )

    def _why(self, worst: PointStanding) -> Reason:
        if worst.bounds.low >= 1.0:
            return reasons.slower(worst)
        return reasons.little_faster(worst, self._timing.gain)

    def _open(self, standing: LatencyStanding) -> Iterator[PointStanding]:
        for place in standing.points.values():
            low, high = place.bounds
            narrow = self._for_size and high - low <= _NARROW * place.ratio
            if not place.n or (high >= self._limit and not narrow):
                yield place

    def _pairs(self, name: str, point: Point, block: int) -> Pairs:
        base, candidate = self._models.get(BASE, name, threads=point.threads)
        draw = np.random.default_rng([block, point.rows])
        count = len(self._examples)
        batches = [
            {key: array[rows] for key, array in self._examples.inputs.items()}
            for rows in (draw.integers(0, count, size=point.rows) for _ in range(self._timing.pairs))
        ]
        return self._timer(base, candidate, batches, self._timing.seconds / _BLOCKS_IN_TIME)
