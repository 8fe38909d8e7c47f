"""One served version: its replicas, its readiness, and the door to its queue."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

import numpy as np

from pumice.config import ModelSettings
from pumice.domain.errors import BadSetting, ModelFailed, ModelNotReady, Overloaded, PumiceError
from pumice.domain.model import Profile
from pumice.domain.request import InferRequest, InferResult
from pumice.observe.stats import VersionStats
from pumice.protocol.frames import ReplyHead
from pumice.runtime.front.batching import Batcher
from pumice.runtime.front.cache import ResponseCache
from pumice.runtime.front.dispatch import Dispatcher, hung
from pumice.runtime.front.link import Batch
from pumice.runtime.front.process import WorkerProcess
from pumice.runtime.front.replica import Replica, ReplicaState
from pumice.runtime.front.sharing import Sharing
from pumice.runtime.front.ticket import Done, Ticket

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
        replicas, rows = settings.replicas, settings.max_batch_size
        delay_ms, timeout = settings.max_delay_ms, settings.timeout
        if replicas is None or rows is None or delay_ms is None or timeout is None:
            raise BadSetting(f"model '{settings.name}'", "values left out", "settings filled by 'Settings.of_model'")
        self.name = settings.name
        self.version = settings.version
        self.profile: Profile | None = None
        self.stats = VersionStats()
        self._timeout = timeout
        self._max_queue = max_queue
        self._sharing = Sharing(rows, delay_ms / 1000)
        self._batcher: Batcher | None = None
        self._dispatcher: Dispatcher | None = None
        self._cache = ResponseCache(settings.cache_size, cache_ttl, self.stats) if settings.cache_size else None
        self._problem = ""
        self._last_error: PumiceError | None = None
        self._changed = asyncio.Event()
        self._looker: asyncio.TimerHandle | None = None
        self.replicas = [self._replica(number, spawn, load_timeout) for number in range(replicas)]

    def _replica(self, number: int, spawn: Callable[[int], WorkerProcess], load_timeout: float) -> Replica:
        return Replica(f"{self.name}/{self.version}#{number}", lambda: spawn(number), self, load_timeout)

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
        return len(self._dispatcher) if self._dispatcher is not None else 0

    @property
    def inflight(self) -> int:
        """Requests that wait or run."""
        running = sum(len(replica.batch.tickets) for replica in self.replicas if replica.batch is not None)
        return running + self.depth

    def start(self) -> None:
        """Begin to look after the replicas, in the running loop."""
        for replica in self.replicas:
            replica.watch()
        self._looker = asyncio.get_running_loop().call_later(_LOOK_EVERY, self._look)

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
        if self._looker is not None:
            self._looker.cancel()
        if self._dispatcher is not None:
            self._dispatcher.refuse_all(Overloaded("the server is stopping"))
        await asyncio.gather(*(replica.stop() for replica in self.replicas))

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
            done: Called once, in the event loop, with the answer or error; at once on a hit of the cache.

        Raises:
            ModelNotReady: No replica has loaded, or they keep dying.
            Overloaded: Too many wait already.
        """
        dispatcher = self._dispatcher
        if dispatcher is None or (self._problem and not self.ready):
            raise ModelNotReady(self.name, self.reason)
        if len(dispatcher) >= self._max_queue:
            self.stats.shed["queue"] += 1
            raise Overloaded(f"{self._max_queue} requests are waiting for model '{self.name}'")
        if self._cache is not None and self.profile is not None and self.profile.deterministic:
            return dispatcher.expire_in_time(self._cache.ask(request, done, dispatcher.enqueue))
        return dispatcher.enqueue(request, done)

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

    # -- what replicas tell

    def replica_warmed(self, rows: int, seconds: float) -> None:
        """Learn what rows and batches cost before the first request comes."""
        self._sharing.curve.observe(rows, seconds)

    def replica_ready(self, replica: Replica, profile: Profile) -> None:
        """Give it work."""
        if self._dispatcher is None:
            self.profile = profile
            if not profile.batchable:
                self._sharing.max_rows = 1
            elif profile.max_batch_size is not None:
                self._sharing.max_rows = min(self._sharing.max_rows, profile.max_batch_size)
            self._batcher = Batcher(self.name, self.version, profile)
            self._dispatcher = Dispatcher(self._batcher, profile, self._sharing, self.stats)
        self._problem = ""
        self._changed.set()
        self._dispatcher.free(replica)

    def replica_replied(self, replica: Replica, batch: Batch, head: ReplyHead, outputs: dict[str, np.ndarray]) -> None:
        """Take its answer, give it the next batch."""
        assert self._dispatcher is not None  # noqa: S101 - it made the batch
        self._dispatcher.replied(replica, batch, head, outputs)

    def replica_lost(self, replica: Replica, batch: Batch | None) -> None:
        """Run its batch on another."""
        assert self._dispatcher is not None  # noqa: S101 - a replica that was ready made it
        self.stats.restarts += 1
        self._dispatcher.lost(replica, batch)

    def replica_failed(self, replica: Replica, error: PumiceError) -> None:
        """Note why; refuse what waits if none can start any more."""
        self._last_error = error
        if not self.ready and all(r.failures for r in self.replicas) and replica.failures >= _CRASH_LOOP:
            self._problem = error.message
            if self._dispatcher is not None:
                self._dispatcher.refuse_all(ModelNotReady(self.name, error.message))
        self._changed.set()

    def _look(self) -> None:
        """Kill replicas whose batch takes longer than the limit."""
        self._looker = asyncio.get_running_loop().call_later(_LOOK_EVERY, self._look)
        oldest = time.monotonic() - self._timeout
        for replica in self.replicas:
            batch = replica.batch
            if batch is not None and not batch.warm_rows and batch.started < oldest:
                _log.error("model hangs", extra={"model": self.name, "replica": replica.name, "limit_s": self._timeout})
                hung(batch, self._timeout)
                replica.kill()
