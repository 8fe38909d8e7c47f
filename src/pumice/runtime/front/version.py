"""One served version: its replicas, its readiness, and the door to its queue."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from typing import Protocol

import numpy as np

from pumice.config import ModelSettings
from pumice.domain.errors import BadSetting, ModelFailed, ModelNotReady, Overloaded, PumiceError
from pumice.domain.model import Profile
from pumice.domain.request import InferRequest, InferResult
from pumice.observe.stats import VersionStats
from pumice.protocol.frames import ReplyHead, error_of
from pumice.runtime.front.admission import Admission, Limits
from pumice.runtime.front.answer import AnswerStream, SinglePart
from pumice.runtime.front.batching import Batcher
from pumice.runtime.front.cache import ResponseCache
from pumice.runtime.front.dispatch import Dispatcher
from pumice.runtime.front.link import Batch
from pumice.runtime.front.news import ReplicaNews, ReplicaState
from pumice.runtime.front.pulse import Pulse
from pumice.runtime.front.replica import Replica
from pumice.runtime.front.sharing import Sharing
from pumice.runtime.front.streams import Streams, StreamTicket
from pumice.runtime.front.ticket import Done, Ticket

_DRAIN_LOOK = 0.01
"""How often it is looked whether a version that is going has nothing left to do (s)."""


class Looking(Protocol):
    """Refuses requests by what is known before they are decoded."""

    @property
    def admission(self) -> Admission:
        """Counts those who are told again what one like them was told."""

    def look_ahead(self, request: InferRequest) -> None:
        """Refuse a request of which one row would not get in.

        Raises:
            Overloaded: It would come too late, or too many wait.
            OverShare: Too many of its caller's wait.
        """


class ServedVersion:
    """A version that answers.

    Args:
        settings: How it is served, every value filled.
        pulse: Calls what has to look at running calls.
        max_queue: Most requests that wait.
        cache_ttl: How long a cached answer is good (s).
        stats: Its counters; they may go on from an earlier time in memory.

    Attributes:
        name: Name of the model.
        version: Its version.
        source: What it is served from.
        profile: What a replica said of it; None until one has loaded.
        stats: Its counters.
        dormant: Whether it is not in memory, and its next request loads it.
        last_used: When it was last asked, on the monotonic clock (s).
        replicas: Its replicas, by their numbers.
    """

    dormant = False

    def __init__(
        self,
        settings: ModelSettings,
        pulse: Pulse,
        *,
        max_queue: int,
        cache_ttl: float,
        stats: VersionStats | None = None,
    ) -> None:
        replicas, rows = settings.replicas, settings.max_batch_size
        delay_ms, wait = settings.max_delay_ms, settings.max_wait
        timeout, silence = settings.timeout, settings.stream_timeout
        if replicas is None or rows is None or delay_ms is None or wait is None or timeout is None or silence is None:
            raise BadSetting(f"model '{settings.name}'", "values left out", "settings filled by 'Settings.of_model'")
        self.name = settings.name
        self.version = settings.version
        self.source = settings.source
        self.profile: Profile | None = None
        self.stats = stats or VersionStats()
        self.last_used = time.monotonic()
        self._timeout = timeout
        self._stream_timeout = silence
        self._limits = Limits(max_queue, wait, timeout)
        self._sharing = Sharing(rows, delay_ms / 1000)
        self._batcher: Batcher | None = None
        self._dispatcher: Dispatcher | None = None
        self._streams: Streams | None = None  # of a model that answers in parts
        self._cache = ResponseCache(settings.cache_size, cache_ttl, self.stats) if settings.cache_size else None
        self._pulse = pulse
        self._hopeless: ReplicaNews | None = None  # the next to start, if all replicas fail again and again
        self._attached = asyncio.Event()
        self.replicas = [
            Replica(f"{self.name}/{self.version}#{number}", number, self, timeout) for number in range(replicas)
        ]

    @property
    def ready(self) -> bool:
        """Whether a replica can answer now."""
        return any(replica.state is ReplicaState.READY for replica in self.replicas)

    @property
    def reason(self) -> str:
        """Why it is not ready, or an empty string."""
        if self.ready:
            return ""
        failed = self._next_start(lambda news: news.hopeless or news.state is ReplicaState.BACKOFF)
        return error_of(failed.problem, self.name).message if failed is not None and failed.problem else "loading"

    @property
    def max_batch_size(self) -> int:
        """Most rows of a batch."""
        return self._sharing.max_rows

    @property
    def max_delay(self) -> float:
        """Longest wait for a fuller batch (s)."""
        return self._sharing.max_delay

    @property
    def cached(self) -> bool:
        """Whether answers may come from a cache."""
        return self._cache is not None and self.profile is not None and self.profile.repeatable

    @property
    def depth(self) -> int:
        """Requests that wait."""
        if self._streams is not None:
            return len(self._streams)
        return len(self._dispatcher) if self._dispatcher is not None else 0

    @property
    def inflight(self) -> int:
        """Requests that wait or run."""
        running = sum(len(replica.batch.tickets) for replica in self.replicas if replica.batch is not None)
        return running + self.depth + (self._streams.running if self._streams is not None else 0)

    def start(self) -> None:
        """Begin to look at what runs, in the running loop."""
        self._pulse.add(self._look)

    async def until_ready(self) -> None:
        """Wait until a replica can be sent batches."""
        await self._attached.wait()

    async def drain(self, limit: float) -> None:
        """Wait until nothing waits or runs here; for a version that the catalog does not give out any more.

        Args:
            limit: Longest wait (s).
        """
        until = time.monotonic() + limit
        quiet = 0
        # who was given it in the turn before may still submit: twice, so that a turn of the loop lies between
        while quiet < 2 and time.monotonic() < until:
            await asyncio.sleep(_DRAIN_LOOK)
            quiet = 0 if self.inflight else quiet + 1

    async def stop(self, why: PumiceError | None = None) -> None:
        """Leave the replicas.

        Args:
            why: What the requests that wait are told; that the server stops, if left out.
        """
        self._pulse.remove(self._look)
        if self._dispatcher is not None:
            self._dispatcher.refuse_all(why or Overloaded("the server is stopping"))
        if self._streams is not None:
            self._streams.close(why or Overloaded("the server is stopping"))
        await asyncio.gather(*(replica.detach() for replica in self.replicas))

    def told(self, news: ReplicaNews) -> None:
        """Take what a keeper tells of one of the replicas."""
        self.replicas[news.number].told(news)

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

    def submit(self, request: InferRequest, done: Done) -> Ticket | StreamTicket:
        """Let a checked request wait for a replica.

        Args:
            request: What is asked; its rows are set by `check`.
            done: Called once, in the event loop, with the answer or error; at once on a hit of the cache.

        Raises:
            ModelNotReady: No replica has loaded, or they keep dying.
            Overloaded: Too many wait already, or it would come too late.
        """
        self.last_used = time.monotonic()
        dispatcher = self._dispatcher
        if dispatcher is None or self._hopeless is not None:
            self._refuse_if_hopeless()
        if dispatcher is None:
            raise ModelNotReady(self.name, self.reason)
        if self._streams is not None:
            return self._begin(SinglePart(self.name, self.version, request, done).ticket)
        if self._cache is not None and self.cached:
            return dispatcher.expire_in_time(self._cache.ask(request, done, dispatcher.submit))
        return dispatcher.submit(request, done, request.deadline)

    @property
    def look(self) -> Looking | None:
        """Refuses a request by its caller, deadline and priority alone; None while none is refused.

        Its `look_ahead` raises `Overloaded` or `OverShare` for a request of which one row would not get in, so that it
        need not be decoded.
        """
        dispatcher = self._dispatcher
        if dispatcher is None or not dispatcher.admission.tight or self._cache is not None:
            return None
        return dispatcher

    async def infer(self, request: InferRequest) -> InferResult:
        """Run a checked request; a caller that is cancelled takes its request along.

        Raises:
            PumiceError: As the callback of `submit` is told.
        """
        future: asyncio.Future[InferResult] = asyncio.get_running_loop().create_future()

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

    async def stream(self, request: InferRequest) -> AsyncGenerator[InferResult, None]:
        """Run a checked request and give its answer part by part; a model that does not yield gives one.

        Closing the iterator ends the model's work.

        Raises:
            PumiceError: It is refused, or the answer ends here, since something went wrong.
        """
        if self._streams is None:
            yield await self.infer(request)
            return
        answer = AnswerStream(self.name, self.version, request)
        self._begin(answer.ticket)
        try:
            async for part in answer:
                yield part
        finally:
            answer.close()

    def _begin(self, ticket: StreamTicket) -> StreamTicket:
        self._refuse_if_hopeless()
        assert self._streams is not None  # noqa: S101 - the callers have looked
        if len(self._streams) >= self._limits.requests:
            self.stats.shed["queue"] += 1
            raise Overloaded(f"{self._limits.requests} requests are waiting for model '{self.name}'")
        self._streams.submit(ticket)
        return ticket

    def _next_start(self, failing: Callable[[ReplicaNews], bool]) -> ReplicaNews | None:
        """What is known of the replica that is started next, if all of them fail."""
        if not all(failing(replica.news) for replica in self.replicas):
            return None
        return min((replica.news for replica in self.replicas), key=lambda news: news.retry_at, default=None)

    def _refuse_if_hopeless(self) -> None:
        news = self._hopeless
        if news is not None and not self.ready:
            raise ModelNotReady(self.name, self.reason, retry_after_s=max(news.retry_at - time.monotonic(), 1.0))

    # -- what replicas tell

    def replica_changed(self, replica: Replica, news: ReplicaNews) -> None:
        """Learn what it serves; refuse what waits if none can start any more."""
        del replica
        self._hopeless = self._next_start(lambda news: news.hopeless)
        if news.profile is not None and self._dispatcher is None:
            self._prepare(news.profile)
        for rows, seconds in news.warmed if news.state is ReplicaState.READY else ():
            # what rows and batches cost is known before the first request comes
            self._sharing.curve.observe(rows, seconds)
        if self._dispatcher is not None and self.depth:
            try:
                self._refuse_if_hopeless()
            except ModelNotReady as error:
                (self._streams or self._dispatcher).refuse_all(error)

    def _prepare(self, profile: Profile) -> None:
        self.profile = profile
        if not profile.batchable:
            self._sharing.max_rows = 1
        elif profile.max_batch_size is not None:
            self._sharing.max_rows = min(self._sharing.max_rows, profile.max_batch_size)
        self._batcher = Batcher(self.name, self.version, profile)
        self._dispatcher = Dispatcher(self._batcher, profile, self._sharing, self.stats, self._limits)
        if profile.decoupled:
            self._streams = Streams(self.name, profile, self.stats, self._stream_timeout)

    def replica_free(self, replica: Replica) -> None:
        """Give it work."""
        assert self._dispatcher is not None  # noqa: S101 - it was told with its profile
        self._attached.set()
        if self._streams is not None:
            self._streams.attach(replica)
        self._dispatcher.free(replica)

    def replica_replied(self, replica: Replica, batch: Batch, head: ReplyHead, outputs: dict[str, np.ndarray]) -> None:
        """Take its answer, give it the next batch."""
        assert self._dispatcher is not None  # noqa: S101 - it made the batch
        self._dispatcher.replied(replica, batch, head, outputs)

    def replica_hangs(self, replica: Replica, batch: Batch) -> None:
        """Answer its callers or run them again; the keeper kills it."""
        del replica
        assert self._dispatcher is not None  # noqa: S101 - it made the batch
        self._dispatcher.hangs(batch)

    def replica_lost(self, replica: Replica, batch: Batch | None, *, ran: bool) -> None:
        """Run its batch on another."""
        assert self._dispatcher is not None  # noqa: S101 - a replica that was attached made it
        self._dispatcher.lost(replica, batch, ran=ran)

    def _look(self, now: float) -> None:
        for replica in self.replicas:
            replica.look(now)
        if self._streams is not None:
            self._streams.look(now)
