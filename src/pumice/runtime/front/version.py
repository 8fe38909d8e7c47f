"""One served version: its queue, its replicas, and the way of a request between them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

import numpy as np

from pumice.config import ModelSettings
from pumice.domain.errors import (
    BadOutput,
    DeadlineExceeded,
    ModelFailed,
    ModelNotReady,
    Overloaded,
    PumiceError,
)
from pumice.domain.model import Profile
from pumice.domain.request import InferRequest, InferResult
from pumice.observe.stats import VersionStats
from pumice.protocol.frames import ReplyHead, error_of
from pumice.runtime.front.batching import Batcher
from pumice.runtime.front.cache import ResponseCache
from pumice.runtime.front.link import Batch
from pumice.runtime.front.process import WorkerProcess
from pumice.runtime.front.queue import PendingQueue
from pumice.runtime.front.replica import Replica, ReplicaState
from pumice.runtime.front.sharing import Sharing
from pumice.runtime.front.ticket import MAX_ATTEMPTS, Done, Ticket

_log = logging.getLogger("pumice.version")

_LOOK_EVERY = 0.1
"""How often running batches are held against the time limit (s)."""

_CRASH_LOOP = 3
"""Failed starts in a row after which requests are refused rather than kept waiting."""


class ServedVersion:
    """A version that answers.

    Args:
        settings: How it is served, every value filled.
        spawn: Starts the process of the replica with this number.
        load_timeout: Longest that loading may take (s).
        max_queue: Most requests that wait.
        cache_ttl: How long a cached answer is good (s).

    Attributes:
        name: Name of the model.
        version: Its version.
        profile: What a replica said of it; None until one has loaded.
        stats: Its counters.
    """

    def __init__(
        self,
        settings: ModelSettings,
        spawn: Callable[[int], WorkerProcess],
        *,
        load_timeout: float,
        max_queue: int,
        cache_ttl: float,
    ) -> None:
        assert settings.replicas is not None and settings.max_batch_size is not None  # noqa: S101, PT018
        assert settings.max_delay_ms is not None and settings.timeout is not None  # noqa: S101, PT018
        self.name = settings.name
        self.version = settings.version
        self.profile: Profile | None = None
        self.stats = VersionStats()
        self._timeout = settings.timeout
        self._max_queue = max_queue
        self._sharing = Sharing(settings.max_batch_size, settings.max_delay_ms / 1000)
        self._queue = PendingQueue(self._expired)
        self._batcher: Batcher | None = None
        self._cache = ResponseCache(settings.cache_size or 0, cache_ttl, self.stats) if settings.cache_size else None
        self._idle: list[Replica] = []
        self._flush_due = False
        self._hold: asyncio.TimerHandle | None = None
        self._problem = ""
        self._changed = asyncio.Event()
        self._looker: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop
        self.replicas = [
            Replica(f"{self.name}/{self.version}#{number}", lambda number=number: spawn(number), self, load_timeout)  # type: ignore[misc]
            for number in range(settings.replicas)
        ]

    # -- state

    @property
    def ready(self) -> bool:
        """Whether a replica can answer now."""
        return any(replica.state is ReplicaState.READY for replica in self.replicas)

    @property
    def reason(self) -> str:
        """Why it is not ready, or an empty string."""
        return "" if self.ready else self._problem or "loading"

    @property
    def max_batch_size(self) -> int:
        """Most rows of a batch."""
        return self._sharing.max_rows

    @property
    def depth(self) -> int:
        """Requests that wait."""
        return len(self._queue)

    @property
    def inflight(self) -> int:
        """Requests that wait or run."""
        running = sum(len(replica.batch.tickets) for replica in self.replicas if replica.batch is not None)
        return running + len(self._queue)

    def start(self) -> None:
        """Begin to look after the replicas, in the running loop."""
        self._loop = asyncio.get_running_loop()
        for replica in self.replicas:
            replica.watch()
        self._looker = self._loop.call_later(_LOOK_EVERY, self._look)

    async def until_ready(self) -> None:
        """Wait until a replica can answer.

        Raises:
            PumiceError: All have failed to start at least once; the error is the last one's.
        """
        while not self.ready:
            failed = [replica for replica in self.replicas if replica.failures]
            if len(failed) == len(self.replicas) and self._last_error is not None:
                raise self._last_error
            self._changed.clear()
            await self._changed.wait()

    async def stop(self) -> None:
        """End the replicas; what waits is refused."""
        for timer in (self._looker, self._hold):
            if timer is not None:
                timer.cancel()
        for ticket in self._queue.drain():
            ticket.fail(Overloaded("the server is stopping"))
        await asyncio.gather(*(replica.stop() for replica in self.replicas))

    # -- the way of a request

    def check(self, request: InferRequest) -> Profile:
        """Hold a request against the signature and set its rows.

        Raises:
            ModelNotReady: No replica has loaded yet, so there is nothing to hold it against.
            SignatureMismatch: It does not fit.
        """
        if self._batcher is None or self.profile is None:
            raise ModelNotReady(self.name, self.reason)
        request.rows = self._batcher.check.rows(request.inputs)
        return self.profile

    def submit(self, request: InferRequest, done: Done) -> Ticket:
        """Let a checked request wait for a replica.

        Args:
            request: What is asked; its rows are set by `check`.
            done: Called once, in the event loop and never within this call's success path, with the answer or error.

        Raises:
            ModelNotReady: No replica has loaded, or they keep dying.
            Overloaded: Too many wait already.
        """
        batcher = self._batcher
        if batcher is None or (self._problem and not self.ready):
            raise ModelNotReady(self.name, self.reason)
        if len(self._queue) >= self._max_queue:
            self.stats.shed["queue"] += 1
            raise Overloaded(f"{self._max_queue} requests are waiting for model '{self.name}'")
        if self._cache is not None and self.profile is not None and self.profile.deterministic:
            return self._expire_in_time(self._cache.ask(request, done, self._enqueue))
        return self._enqueue(request, done)

    async def infer(self, request: InferRequest) -> InferResult:
        """Run a checked request; a caller that is cancelled takes its request along.

        Raises:
            PumiceError: As the callback of `submit` is told.
        """
        future: asyncio.Future[InferResult] = self._loop.create_future()

        def done(result: InferResult | None, error: PumiceError | None) -> None:
            if future.done():
                return
            if result is not None:
                future.set_result(result)
            else:
                future.set_exception(error or ModelFailed(self.name, "no answer"))

        ticket = self.submit(request, done)
        try:
            return await future
        except asyncio.CancelledError:
            ticket.cancel()
            raise

    def _enqueue(self, request: InferRequest, done: Done) -> Ticket:
        assert self._batcher is not None  # noqa: S101 - submit has looked
        now = time.monotonic()
        if request.rows > self._sharing.max_rows:
            return self._enqueue_parts(request, done, now)
        ticket = self._expire_in_time(Ticket(request, self._batcher.key(request), now, done))
        self._sharing.arrived(now)
        self._queue.push(ticket)
        self._flush_soon()
        return ticket

    def _enqueue_parts(self, request: InferRequest, done: Done, now: float) -> Ticket:
        from pumice.runtime.front.parts import Parts

        whole = Ticket(request, None, now, done)
        Parts(whole, self._sharing.max_rows, self._enqueue)
        return whole

    def _expire_in_time(self, ticket: Ticket) -> Ticket:
        deadline = ticket.request.deadline
        if deadline is not None and not ticket.finished:
            ticket.expire_by(self._loop.call_later(deadline - time.monotonic(), self._expired, ticket))
        return ticket

    def _expired(self, ticket: Ticket) -> None:
        self.stats.shed["deadline"] += 1
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
        while self._idle and (lane := self._queue.next_lane(now)) is not None:
            oldest = lane.head()
            assert oldest is not None and self._batcher is not None  # noqa: S101, PT018 - next_lane gives none that is empty
            until = self._sharing.hold_until(lane.rows, oldest.enqueued, now)
            if until > now and not oldest.alone:
                self._hold = self._loop.call_later(until - now, self._flush)
                return
            tickets = self._queue.take(lane, self._sharing.rows_for(lane.rows, len(self._idle)), now)
            batch = self._batcher.join(tickets) if tickets else None
            if batch is not None:
                self._send(batch, now)

    def _send(self, batch: Batch, now: float) -> None:
        self._idle.pop().run(batch)
        observe = self.stats.queue_seconds.observe
        for ticket in batch.tickets:
            observe(now - ticket.enqueued)
        self.stats.batch_size.observe(batch.rows)

    # -- what replicas tell

    def replica_ready(self, replica: Replica, profile: Profile) -> None:
        """Give it work."""
        if self._batcher is None:
            self.profile = profile
            self._batcher = Batcher(self.name, self.version, profile)
            if not profile.batchable:
                self._sharing.max_rows = 1
            elif profile.max_batch_size is not None:
                self._sharing.max_rows = min(self._sharing.max_rows, profile.max_batch_size)
        self._problem = ""
        self._changed.set()
        self._idle.append(replica)
        self._flush_soon()

    def replica_replied(self, replica: Replica, batch: Batch, head: ReplyHead, outputs: dict[str, np.ndarray]) -> None:
        """Give it the next batch first, then answer this one."""
        now = time.monotonic()
        self.stats.inference_seconds.observe(head.seconds)
        self._sharing.answered(batch.rows, len(batch.tickets), now - batch.started, now)
        self._idle.append(replica)
        if len(self._queue):
            self._flush()
        if head.error is not None:
            self._batch_failed(batch, head)
            return
        assert self._batcher is not None  # noqa: S101 - it made the batch
        try:
            results = self._batcher.cut(batch, outputs)
        except BadOutput as error:
            self._fail_all(batch.tickets, error)
            return
        for ticket, result in zip(batch.tickets, results, strict=True):
            ticket.succeed(result)

    def replica_lost(self, replica: Replica, batch: Batch | None) -> None:
        """Run its batch on another."""
        self.stats.restarts += 1
        if replica in self._idle:
            self._idle.remove(replica)
        if batch is None:
            return
        for ticket in reversed(batch.tickets):
            ticket.attempts += 1
            ticket.alone = True
            if ticket.finished:
                continue
            if self.profile is not None and not self.profile.idempotent:
                ticket.fail(ModelFailed(self.name, "its replica died, and the model says that it must not run twice"))
            elif ticket.attempts >= MAX_ATTEMPTS:
                ticket.fail(ModelFailed(self.name, f"its replica died {ticket.attempts} times with this request"))
            else:
                self.stats.retries += 1
                self._queue.push(ticket, first=True)
        self._flush_soon()

    def replica_failed(self, replica: Replica, error: PumiceError) -> None:
        """Note why; refuse what waits if none can start any more."""
        self._last_error = error
        if not self.ready and all(r.failures for r in self.replicas) and replica.failures >= _CRASH_LOOP:
            self._problem = error.message
            for ticket in self._queue.drain():
                ticket.fail(ModelNotReady(self.name, error.message))
        self._changed.set()

    _last_error: PumiceError | None = None

    def _batch_failed(self, batch: Batch, head: ReplyHead) -> None:
        assert head.error is not None  # noqa: S101 - the caller has looked
        error = error_of(head.error, self.name)
        ids = [ticket.request.request_id for ticket in batch.tickets]
        if head.trace:
            _log.error("model raised", extra={"model": self.name, "requests": ids, "trace": head.trace})
        again = len(batch.tickets) > 1 and self.profile is not None and self.profile.idempotent
        if not again:
            self._fail_all(batch.tickets, error)
            return
        # one bad item must not fail the others: each is run alone
        for ticket in reversed(batch.tickets):
            ticket.alone = True
            self.stats.retries += 1
            self._queue.push(ticket, first=True)
        self._flush_soon()

    @staticmethod
    def _fail_all(tickets: Sequence[Ticket], error: PumiceError) -> None:
        for ticket in tickets:
            ticket.fail(error)

    def _look(self) -> None:
        """Kill replicas whose batch takes longer than the limit."""
        self._looker = self._loop.call_later(_LOOK_EVERY, self._look)
        oldest = time.monotonic() - self._timeout
        for replica in self.replicas:
            batch = replica.batch
            if batch is not None and not batch.warm_rows and batch.started < oldest:
                _log.error("model hangs", extra={"model": self.name, "replica": replica.name, "limit_s": self._timeout})
                self._fail_all(batch.tickets, DeadlineExceeded(f"the model's time limit of {self._timeout:g} s"))
                replica.kill()
