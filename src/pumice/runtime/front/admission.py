"""Whether a new request may wait: its wait is predicted first, and what would come too late is refused at once.

The prediction is work ahead by time per batch, from the fitted line of `LatencyCurve`, and is itself held against what
came of it. See ``docs/concepts/overload.md``.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass

from pumice.domain.errors import Overloaded, OverShare
from pumice.domain.request import InferRequest
from pumice.observe.stats import VersionStats
from pumice.runtime.front.link import Batch
from pumice.runtime.front.queue import PendingQueue
from pumice.runtime.front.sharing import Sharing
from pumice.runtime.front.ticket import Ticket

_log = logging.getLogger("pumice.admission")

_RECENT = 0.1
"""Weight of the newest prediction that was put to the test."""

_SURE = 2.0
"""Mean deviations that a prediction must be within the deadline by, at least."""

_EXCEEDED = 0.002
"""Part of the predictions that may be exceeded by more than `Doubt.tail`."""

_TAIL_STEP = 0.05
"""How much the tail grows when it is exceeded, as part of the prediction or of itself."""

_WAY_BACK = 0.003
"""From the end of a batch until its answers are on their way (s)."""

_MOST_DOUBT = 0.5
"""Part of a deadline that doubt may take: were it all, nothing would be let in that could dispel it."""

_PACES = (0.25, 4.0)
"""Bounds of what the past may do to a prediction."""

_WITHOUT_REPLICAS = 1.0
"""When to come back while no replica is ready (s); how long a start takes cannot be known."""

_LEAST = 0.001
"""Shortest time after which another try is asked for (s)."""

_CROWD = 1.0
"""Wait from which those who are refused are told to come back one after the other (s); HTTP tells whole seconds."""

_SPARE = 1.25
"""How much more room than it needs each of those is given: the prediction may rise until they come."""

_TELL_EVERY = 10.0
"""How often the log says that requests are refused (s); a line for each would be work just when there is too much."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What may wait, and what may run.

    Attributes:
        requests: Most requests that wait.
        wait: Longest wait of a request without a deadline (s).
        call: Longest that one call of the model may take (s).
    """

    requests: int
    wait: float
    call: float


def start_after(rows: int, batch_rows: int, batch_seconds: float, free_in: Sequence[float]) -> float:
    """Predict when the batch begins that has the last of these rows, all replicas taking full batches in turn.

    Args:
        rows: Rows that go before, and the request's own; at least 1.
        batch_rows: Rows of a full batch.
        batch_seconds: Time that it takes (s).
        free_in: Of each replica, when it is free (s from now); below 0: it takes longer than it should.

    Returns:
        Seconds from now, at least 0; never less for more rows.
    """
    before = (rows - 1) // batch_rows
    soonest = max(min(free_in, default=0.0), 0.0)
    # no later than one batch after the first: the running batches are no longer than those to come
    free = sorted(min(max(seconds, 0.0), soonest + batch_seconds) for seconds in free_in) or [0.0]
    return free[before % len(free)] + before // len(free) * batch_seconds


class Doubt:
    """How far predictions have been off lately.

    Attributes:
        pace: What came, as a multiple of what was predicted.
        deviation: Mean distance of what came from the prediction at that pace (s).
        tail: What came exceeds the prediction at that pace by no more than this (s), but for one time in 500. It is
            found by stochastic approximation (Robbins and Monro, 1951): up by much when it was too small, down by
            little when it was not.
    """

    __slots__ = ("_came", "_predicted", "deviation", "pace", "tail")

    def __init__(self) -> None:
        self.pace = 1.0
        self.deviation = 0.0
        self.tail = 0.0
        self._predicted = self._came = 0.0

    def learn(self, predicted: float, came: float) -> None:
        """Hold one prediction against what came of it.

        Args:
            predicted: Seconds, without pace.
            came: Seconds.
        """
        slowest, fastest = _PACES
        came = min(came, fastest * 2 * predicted)  # one hang must not darken what comes after it
        self._predicted += _RECENT * (predicted - self._predicted)
        self._came += _RECENT * (came - self._came)
        if self._predicted > 0:
            self.pace = min(max(self._came / self._predicted, slowest), fastest)
        over = came - self.pace * predicted
        self.deviation += _RECENT * (abs(over) - self.deviation)
        self.tail = max(self.tail + _TAIL_STEP * max(predicted, self.tail) * ((over > self.tail) - _EXCEEDED), 0.0)

    @property
    def margin(self) -> float:
        """Time that has to be left between a prediction and a deadline (s)."""
        return max(_SURE * self.deviation, self.tail) + _WAY_BACK


class Admission:
    """Lets requests in or refuses them, for one version.

    Args:
        model: Its name, for the messages.
        queue: Where they would wait.
        sharing: Knows what batches take.
        limits: What may wait.
        stats: Counts what is refused.

    Attributes:
        tight: The last request was refused.
        doubt: What became of predictions.
    """

    def __init__(self, model: str, queue: PendingQueue, sharing: Sharing, limits: Limits, stats: VersionStats) -> None:
        self.tight = False
        self.doubt = Doubt()
        self._model = model
        self._queue = queue
        self._sharing = sharing
        self._limits = limits
        self._stats = stats
        self._refused = 0
        self._told = -math.inf
        self._calm_rows = self._rows_per_second = self._rows_lost = 0.0  # nothing is known before the first batch
        self._in_vain = False  # a request has waited in vain since the last answer
        self._promised = -math.inf  # up to this moment (s) the room is promised to those who were refused
        self._each = 0.0  # what one of them takes of it (s)

    def settle(self) -> None:
        """Find out up to where nothing need be predicted; called when the curve or the doubt has learned.

        Besides the rows before it, a request takes what is left of the batch that runs, at most one that is full until
        another replica is free, and its own (`start_after`).
        """
        sharing = self._sharing
        full = sharing.full
        seconds = self.doubt.pace * sharing.curve.seconds(full)
        self._rows_per_second = full / seconds if seconds > 0 else 0.0
        self._rows_lost = sharing.max_rows + 2 * full
        self._calm_rows = self._limits.wait * self._rows_per_second - self._rows_lost

    def calm(self, request: InferRequest, deadline: float | None, now: float) -> bool:
        """Whether a request gets in whoever goes before it, which is told faster than it is judged.

        Args:
            request: What is asked.
            deadline: When its caller stops waiting (s), or None.
            now: The monotonic clock (s).
        """
        totals = self._queue.totals
        if totals.size + 1 >= self._limits.requests:
            return False
        if deadline is None:
            most = self._calm_rows
        else:
            most = (1 - _MOST_DOUBT) * (deadline - now) * self._rows_per_second - self._rows_lost
        if totals.rows + request.rows > most:
            return False
        self.tight = False
        return True

    def answered(self, batch: Batch, now: float) -> None:
        """Hold what was expected of a batch's first request, or else of the batch, against what came of it.

        Args:
            batch: The batch.
            now: The monotonic clock (s).
        """
        self._in_vain = False
        first = batch.tickets[0]
        if first.expected and not first.alone:
            self.doubt.learn(first.expected, now - first.enqueued)
        else:
            self.doubt.learn(self._sharing.curve.seconds(batch.rows), now - batch.started)

    def waited_in_vain(self, ticket: Ticket, now: float) -> None:
        """Learn from a request that waited too long, one between two answers.

        Were only those looked at that were answered, every prediction would seem to have held. Were all looked at, one
        hang would count as often as there are requests that waited for its end.

        Args:
            ticket: The request.
            now: The monotonic clock (s).
        """
        if ticket.expected and not self._in_vain:
            self._in_vain = True
            least = now - ticket.enqueued + self._sharing.curve.seconds(ticket.request.rows)
            self.doubt.learn(ticket.expected, least)

    def judge(self, request: InferRequest, deadline: float | None, free_in: Sequence[float], now: float) -> float:
        """Predict how long a request will take, from now to its answer.

        Args:
            request: What is asked.
            deadline: When its caller stops waiting (s), or None.
            free_in: Of each ready replica, when it is free (s from now); empty: none is ready.
            now: The monotonic clock (s).

        Returns:
            Seconds, without what is known of predictions.

        Raises:
            Overloaded: It would come too late, or too many wait.
            OverShare: Too many of its caller's wait.
        """
        sharing, doubt = self._sharing, self.doubt
        per_row, fixed = sharing.curve.line
        rows = self._queue.ahead(request) + request.rows
        full = sharing.full
        wait = start_after(rows, full, per_row * full + fixed, free_in)
        service = per_row * min(rows, full) + fixed
        if deadline is None:
            over = doubt.pace * wait - self._limits.wait
        else:
            left = deadline - now
            over = doubt.pace * (wait + service) + min(doubt.margin, _MOST_DOUBT * left) - left
        room_in = self._room_in(request, free_in)
        if over > 0 or room_in is not None:
            # an idle version takes any request, so nobody need come back later than that
            again = max(min(over, doubt.pace * wait), room_in or 0.0, 0.0 if free_in else _WITHOUT_REPLICAS)
            wait *= doubt.pace
            each = _SPARE * doubt.pace * request.rows * (per_row + fixed / full) / max(len(free_in), 1)
            again = self._after_others(again, wait, each, now)
            self._refuse(request, over > 0, wait, again, now)
        self.tight = False
        return wait + service

    def make_room(self, request: InferRequest) -> None:
        """Refuse the request that gives way to one that `judge` has let in, if there is no room for both."""
        if len(self._queue) < self._limits.requests:
            return
        victim = self._queue.give_way(request)
        if victim is None:
            return
        again = max(self._sharing.curve.seconds(self._sharing.full), _LEAST)
        if victim.request.priority > request.priority:
            self._stats.shed["queue"] += 1
            what = f"{self._limits.requests} requests that are more urgent wait for model '{self._model}'"
            victim.fail(Overloaded(what, _shown(again)))
        else:
            self._stats.shed["share"] += 1
            victim.fail(OverShare(self._share(), _shown(again)))

    def _after_others(self, again: float, wait: float, each: float, now: float) -> float:
        """Tell when to come back if those come back before who were refused before; no later than the queue is empty.

        Were all told the same moment, all would come at once, and nearly all be refused again.
        """
        if wait < _CROWD:
            self._each = 0.0
            return again
        self._each = each
        free = max(self._promised, now + again)
        self._promised = min(free + each, now + wait)
        return max(min(free - now, wait), again)

    def _room_in(self, request: InferRequest, free_in: Sequence[float]) -> float | None:
        """When a place is free (s from now); None if the request has one."""
        if len(self._queue) < self._limits.requests or self._queue.give_way(request) is not None:
            return None
        return max(min(free_in, default=0.0), _LEAST)

    def _refuse(self, request: InferRequest, late: bool, wait: float, again: float, now: float) -> None:
        self.tight = True
        self._tell(now)
        error = self._refusal(request, late, wait, _shown(again))
        self._stats.shed[error.reason] += 1
        raise error

    def refused_again(self, reason: str) -> None:
        """Count a request that is told what one like it was told a moment ago."""
        self._refused += 1
        self._promised += self._each
        self._stats.shed[reason] += 1

    def _refusal(self, request: InferRequest, late: bool, wait: float, again: float) -> Overloaded | OverShare:
        if late:
            if request.deadline is None:
                limit = f"at most {self._limits.wait:g} s are allowed ('max_wait')"
            else:
                limit = "the request's deadline would pass before its answer is there"
            what = f"the wait for model '{self._model}' is about {wait:.3g} s, and {limit}"
            return Overloaded(what, again, "predicted")
        if self._queue.has_its_share(request):
            return OverShare(self._share(), again)
        return Overloaded(f"{self._limits.requests} requests are waiting for model '{self._model}'", again, "queue")

    def _share(self) -> str:
        most = self._limits.requests
        return f"all {most} places of model '{self._model}' are taken, and this caller has its share of them"

    def _tell(self, now: float) -> None:
        self._refused += 1
        if now - self._told >= _TELL_EVERY:
            _log.warning(
                "requests are refused",
                extra={"model": self._model, "refused": self._refused, "waiting": len(self._queue)},
            )
            self._told, self._refused = now, 0


def _shown(seconds: float) -> float:
    """Round up to what a message can show."""
    return math.ceil(max(seconds, _LEAST) * 1000) / 1000
