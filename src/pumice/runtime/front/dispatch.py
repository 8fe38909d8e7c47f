"""From the queue to the replicas and back: the way of a request in the front process.

A batch is formed when a replica is free. A batch whose replica dies is run again, its requests one by one, on
another; so is a batch that fails, since one bad item must not fail the others.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable

import numpy as np

from pumice.domain.errors import BadOutput, DeadlineExceeded, PumiceError
from pumice.domain.model import Profile
from pumice.domain.request import InferRequest
from pumice.observe.stats import VersionStats
from pumice.protocol.frames import ReplyHead, error_of
from pumice.runtime.front.admission import Admission, Limits
from pumice.runtime.front.batching import Batcher
from pumice.runtime.front.link import Batch
from pumice.runtime.front.parts import Parts
from pumice.runtime.front.queue import PendingQueue
from pumice.runtime.front.replica import Replica
from pumice.runtime.front.sharing import Sharing
from pumice.runtime.front.ticket import MAX_ATTEMPTS, Done, Ticket

_log = logging.getLogger("pumice.dispatch")

_HANGS = 3
"""A batch, one of its requests alone, and another: the model hangs whatever it is asked."""


class Dispatcher:
    """Brings the requests of one version to its replicas. Made when the first replica has told its profile.

    Args:
        batcher: Joins and cuts.
        profile: What the replica said.
        sharing: When a batch goes, and how large it is.
        stats: The version's counters.
        limits: What may wait, and how long one call of the model may take.

    Attributes:
        admission: Who gets in.
    """

    def __init__(
        self, batcher: Batcher, profile: Profile, sharing: Sharing, stats: VersionStats, limits: Limits
    ) -> None:
        self._batcher = batcher
        self._idempotent = profile.idempotent
        self._sharing = sharing
        self._stats = stats
        self._limit = limits.call
        self._queue = PendingQueue(self._too_late)
        self.admission = Admission(batcher.model, self._queue, sharing, limits, stats)
        self._idle: list[Replica] = []
        self._running: dict[Replica, tuple[int, float]] = {}  # rows and start of each batch
        self._hangs = 0  # since the last answer
        self._flush_due = False
        self._hold: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    def __len__(self) -> int:
        """Requests that wait."""
        return len(self._queue)

    def submit(self, request: InferRequest, done: Done, deadline: float | None) -> Ticket:
        """Let a checked request wait if it has a prospect; one larger than a batch may be waits in parts.

        Args:
            request: What is asked.
            done: Called once with the answer or error.
            deadline: When the caller stops waiting (s), which the request itself need not say.

        Raises:
            Overloaded: It has none, or too many wait.
        """
        now = time.monotonic()
        expected = 0.0
        # one request of a batch, the first that waits, is enough to hold the prediction against what comes
        if not self._queue.totals.size or not self.admission.calm(request, deadline, now):
            expected = self._look(request, deadline, now)
            if expected:
                self.admission.make_room(request)
        return self.enqueue(request, done, expected, now)

    def _look(self, request: InferRequest, deadline: float | None, now: float) -> float:
        """Tell how long a request would take (s); 0: it finds nobody before it, so it gets in whatever is expected.

        Raises:
            Overloaded: It would not get in.
        """
        if self._idle and not self._queue.totals.size:
            return 0.0
        per_row, fixed = self._sharing.curve.line
        free_in = [started + per_row * rows + fixed - now for rows, started in self._running.values()]
        free_in += [0.0] * len(self._idle)
        return self.admission.judge(request, deadline, free_in, now)

    def look_ahead(self, request: InferRequest) -> None:
        """Refuse a request that would not get in with one row.

        Raises:
            Overloaded: It would not.
        """
        self._look(request, request.deadline, time.monotonic())

    def enqueue(self, request: InferRequest, done: Done, expected: float = 0.0, now: float = 0.0) -> Ticket:
        """Let an admitted request wait.

        Args:
            request: What is asked.
            done: Called once with the answer or error.
            expected: How long it will take by what was predicted (s); 0: nothing was.
            now: The monotonic clock (s), if it has just been read.
        """
        now = now or time.monotonic()
        if request.rows > self._sharing.max_rows and self._batcher.batchable:
            whole = self.expire_in_time(Ticket(request, None, now, done))
            Parts(whole, self._sharing.max_rows, self.enqueue)
            return whole
        ticket = Ticket(request, self._batcher.key(request), now, done)
        ticket.expected = expected
        if request.deadline is not None:
            self.expire_in_time(ticket)
        self._sharing.arrived(now)
        self._queue.push(ticket)
        self._flush_soon()
        return ticket

    def expire_in_time(self, ticket: Ticket) -> Ticket:
        """Answer a request when its deadline passes, wherever it is then."""
        deadline = ticket.request.deadline
        if deadline is not None and not ticket.finished:
            ticket.expire_by(self._loop.call_later(deadline - time.monotonic(), self._expired, ticket))
        return ticket

    def refuse_all(self, error: PumiceError) -> None:
        """Answer all that wait with an error."""
        if self._hold is not None:
            self._hold.cancel()
        _fail_all(self._queue.drain(), error)

    # -- what replicas tell

    def free(self, replica: Replica) -> None:
        """A replica can take a batch."""
        self._idle.append(replica)
        self._flush_soon()

    def replied(self, replica: Replica, batch: Batch, head: ReplyHead, outputs: dict[str, np.ndarray]) -> None:
        """Give the replica its next batch first, then answer this one."""
        now = time.monotonic()
        self._stats.inference_seconds.observe(head.seconds)
        self.admission.answered(batch, now)
        self._hangs = 0
        self._sharing.answered(batch.rows, len(batch.tickets), now - batch.started, now)
        self.admission.settle()
        self._idle.append(replica)
        self._running.pop(replica, None)
        waiting = len(self._queue)
        if waiting and not self._sharing.by_the_batch(waiting):
            self._flush()
        else:
            self._flush_soon()
        if head.error is not None:
            self._failed(batch, error_of(head.error, self._batcher.model), head.trace)
            return
        # the clock of both processes is the host's; what it does not resolve counts as no time
        there, back = max(0.0, head.began - batch.started), max(0.0, now - head.began - head.seconds)
        self._stats.answered(batch.rows, len(batch.tickets), (there, head.seconds, back), now)
        try:
            results = self._batcher.cut(batch, outputs)
        except BadOutput as error:
            self._failed(batch, error)
            return
        for ticket, result in zip(batch.tickets, results, strict=True):
            ticket.succeed(result)

    def hangs(self, batch: Batch) -> None:
        """A batch takes too long, and its replica will be killed.

        A request that hangs alone is answered. Batch-mates are run again one by one (`lost`), so that the innocent
        get their answers, until the model has hung `_HANGS` times without an answer in between.
        """
        self._hangs += 1
        if len(batch.tickets) == 1 or not self._idempotent:
            _fail_all(batch.tickets, _too_long(self._limit))

    def lost(self, replica: Replica, batch: Batch | None, *, ran: bool) -> None:
        """A replica is gone; run its batch on another.

        Args:
            replica: The replica.
            batch: What was with it.
            ran: The model was running it; else it only waited there, perhaps behind another front's batch.
        """
        self._running.pop(replica, None)
        if replica in self._idle:
            self._idle.remove(replica)
        if batch is None:
            return
        if not ran:
            self._run_again(batch.tickets)
            return
        again: list[Ticket] = []
        for ticket in batch.tickets:
            ticket.attempts += 1
            if not self._idempotent:
                ticket.fail(self._batcher.failure("its replica died, and the model says that it must not run twice"))
            elif ticket.attempts >= MAX_ATTEMPTS:
                problem = f"its replica died or broke off {ticket.attempts} times with this request"
                ticket.fail(self._batcher.failure(problem))
            else:
                again.append(ticket)
        self._run_again(again, alone=True)

    def _failed(self, batch: Batch, error: PumiceError, trace: str = "") -> None:
        if trace:
            requests = [ticket.request for ticket in batch.tickets]
            _log.error(
                "model raised",
                extra={
                    "model": self._batcher.model,
                    "requests": [request.request_id for request in requests],
                    "traces": [request.traceparent for request in requests if request.traceparent],
                    "trace": trace,
                },
            )
        if len(batch.tickets) > 1 and self._idempotent:
            self._run_again(batch.tickets, alone=True)
        else:
            _fail_all(batch.tickets, error)

    def _run_again(self, tickets: list[Ticket], *, alone: bool = False) -> None:
        waiting = [ticket for ticket in tickets if not ticket.finished]
        self._stats.retries += len(waiting)
        for ticket in reversed(waiting):
            ticket.alone |= alone
            self._queue.push_first(ticket)
        self._flush_soon()

    def _too_late(self, ticket: Ticket) -> None:
        """Drop a request that would be answered after its deadline, as the batch forms."""
        self.admission.waited_in_vain(ticket, time.monotonic())
        self._expired(ticket)

    def _expired(self, ticket: Ticket) -> None:
        """Drop a request whose deadline has come, wherever it is."""
        if ticket.place is not None:
            self.admission.waited_in_vain(ticket, time.monotonic())
        self._stats.shed["deadline"] += 1
        ticket.fail(DeadlineExceeded("the request's deadline"))

    # -- from the queue to the replicas

    def _flush_soon(self) -> None:
        # at the end of the loop's turn, so that requests that came together go together
        if self._idle and not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        if self._hold is not None:
            self._hold.cancel()
            self._hold = None
        now = time.monotonic()
        while self._idle and (head := self._queue.next()) is not None:
            if head.alone and self._hangs >= _HANGS:
                head.fail(_too_long(self._limit))
                continue
            waiting = self._queue.rows_like(head)
            until = self._sharing.hold_until(waiting, head.enqueued, now)
            if until > now and not head.alone:
                self._hold = self._loop.call_later(until - now, self._flush)
                return
            rows = self._sharing.rows_for(waiting, len(self._idle), tuple(self._running.values()), now)
            done_by = now + self._sharing.curve.seconds(min(rows, waiting))
            tickets = self._queue.take(head, rows, now, done_by)
            batch = self._batcher.join(tickets) if tickets else None
            if batch is not None:
                self._send(batch, now)

    def _send(self, batch: Batch, now: float) -> None:
        replica = self._take_idle()
        batch.limit = self._limit
        replica.run(batch)
        self._running[replica] = (batch.rows, batch.started)
        observe = self._stats.queue_seconds.observe
        for ticket in batch.tickets:
            observe(now - ticket.enqueued)
        self._stats.batch_size.observe(batch.rows)

    def _take_idle(self) -> Replica:
        """The replica that was free last; one that runs another front's batch only if all do."""
        idle = self._idle
        for index in reversed(range(len(idle))):
            if not idle[index].elsewhere:
                return idle.pop(index)
        return idle.pop()


def _too_long(limit: float) -> DeadlineExceeded:
    return DeadlineExceeded(f"the model's time limit of {limit:g} s")


def _fail_all(tickets: Iterable[Ticket], error: PumiceError) -> None:
    for ticket in tickets:
        ticket.fail(error)
