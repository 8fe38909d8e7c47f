"""One replica and its supervisor: start, wait until it is ready, watch it, start it again."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

import numpy as np

from pumice.domain.errors import DeadlineExceeded, ModelFailed, PumiceError
from pumice.domain.model import Profile
from pumice.protocol.frames import Packed, ReplyHead, error_of
from pumice.runtime.front.link import Batch, ReplicaLink
from pumice.runtime.front.process import WorkerProcess

_log = logging.getLogger("pumice.replica")

_FIRST_BACKOFF = 0.5
_LONGEST_BACKOFF = 30.0
_WARM_ROWS = 4
_WARM_AGAIN_BELOW = 0.05
"""More warm-ups, which tell what rows and batches cost, are left out for models whose first one took longer (s)."""


class ReplicaState(StrEnum):
    """Where a replica is in its life."""

    STARTING = "starting"
    READY = "ready"
    BACKOFF = "backoff"
    STOPPED = "stopped"


class Owner(Protocol):
    """What a replica tells the version that it belongs to."""

    def replica_warmed(self, rows: int, seconds: float) -> None:
        """A warm-up batch took so long."""

    def replica_ready(self, replica: Replica, profile: Profile) -> None:
        """It answers; the profile is what it loaded."""

    def replica_replied(self, replica: Replica, batch: Batch, head: ReplyHead, outputs: dict[str, np.ndarray]) -> None:
        """It answered a batch and is free."""

    def replica_lost(self, replica: Replica, batch: Batch | None) -> None:
        """It died, with this batch."""

    def replica_failed(self, replica: Replica, error: PumiceError) -> None:
        """It cannot start; it is tried again later."""


class Replica:
    """Keeps one replica alive.

    Args:
        name: Model and number, for the log.
        spawn: Starts a process.
        owner: Told of everything.
        load_timeout: Longest that loading may take (s).

    Attributes:
        state: Where it is in its life.
        failures: Starts in a row that failed.
        pid: Process id, or 0.
    """

    def __init__(self, name: str, spawn: Callable[[], WorkerProcess], owner: Owner, load_timeout: float) -> None:
        self.name = name
        self.state = ReplicaState.STARTING
        self.failures = 0
        self._spawn = spawn
        self._owner = owner
        self._load_timeout = load_timeout
        self._process: WorkerProcess | None = spawn()
        self._link: ReplicaLink | None = None
        self._gone: asyncio.Future[None] | None = None
        self._warm: asyncio.Future[ReplyHead] | None = None
        self._task: asyncio.Task[None] | None = None
        self._repeated = False

    @property
    def pid(self) -> int:
        """Process id, or 0 while there is none."""
        return self._process.pid if self._process else 0

    @property
    def batch(self) -> Batch | None:
        """The batch that is under way."""
        return self._link.batch if self._link else None

    def watch(self) -> None:
        """Begin to look after it, in the running loop."""
        self._task = asyncio.get_running_loop().create_task(self._live(), name=f"replica {self.name}")

    def run(self, batch: Batch) -> None:
        """Send a batch; only to a ready replica that has none."""
        assert self._link is not None  # noqa: S101 - a ready replica has one
        self._link.run(batch)

    def kill(self) -> None:
        """End the process at once; it is started again."""
        if self._process is not None:
            self._process.kill()

    async def stop(self) -> None:
        """End it for good."""
        self.state = ReplicaState.STOPPED
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._process is not None:
            await self._process.exited()
            self._process = None

    async def _live(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._gone = loop.create_future()
            try:
                profile = await self._start()
            except (PumiceError, OSError) as error:
                await self._failed(error)
                continue
            self.failures = 0
            self.state = ReplicaState.READY
            _log.info("replica ready", extra={"replica": self.name, "pid": self.pid})
            self._owner.replica_ready(self, profile)
            await self._gone
            self.state = ReplicaState.STARTING
            await self._reap()
            if self._repeated:
                await self._pause()

    async def _start(self) -> Profile:
        if self._process is None:
            self._process = self._spawn()
        try:
            async with asyncio.timeout(self._load_timeout):
                profile = await self._process.loaded()
                self._link = ReplicaLink(self._replied, self._lost)
                await self._link.connect(self._process.spec.socket, self.name)
                await self._warm_up(profile)
        except TimeoutError:
            raise DeadlineExceeded(f"the load limit of {self._load_timeout:g} s") from None
        return profile

    async def _warm_up(self, profile: Profile) -> None:
        """Send typical requests by the way that all requests go; the replica is ready when they come back."""
        head = await self._warm_rows(1)
        if head.error is not None:
            error = error_of(head.error, self.name)
            if profile.typical_warm_up:
                raise error
            # zeros need not mean anything to a model; it answered, and that is what was asked
            _log.warning("warm-up with zeros failed", extra={"replica": self.name, "problem": error.message})
        elif profile.batchable and head.seconds < _WARM_AGAIN_BELOW and (profile.max_batch_size or _WARM_ROWS) > 1:
            for rows in (min(_WARM_ROWS, profile.max_batch_size or _WARM_ROWS), 1):
                started = time.monotonic()
                await self._warm_rows(rows)
                self._owner.replica_warmed(rows, time.monotonic() - started)

    async def _warm_rows(self, rows: int) -> ReplyHead:
        assert self._link is not None  # noqa: S101 - it has just been connected
        self._warm = asyncio.get_running_loop().create_future()
        self._link.run(Batch([], Packed([], [], 0), rows, warm_rows=rows))
        return await self._warm

    async def _failed(self, error: Exception) -> None:
        known = error if isinstance(error, PumiceError) else ModelFailed(self.name, str(error))
        self.failures += 1
        _log.error("replica cannot start", extra={"replica": self.name, "problem": known.message})
        await self._reap()
        self.state = ReplicaState.BACKOFF
        self._owner.replica_failed(self, known)
        await self._pause()
        self.state = ReplicaState.STARTING

    async def _pause(self) -> None:
        await asyncio.sleep(min(_FIRST_BACKOFF * 2 ** min(self.failures, 10), _LONGEST_BACKOFF))

    async def _reap(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None
        process, self._process = self._process, None
        if process is not None:
            code = await process.exited()
            _log.warning("replica ended", extra={"replica": self.name, "pid": process.pid, "code": code})

    def _replied(self, batch: Batch, head: ReplyHead, outputs: dict[str, np.ndarray]) -> None:
        if batch.warm_rows:
            if self._warm is not None and not self._warm.done():
                self._warm.set_result(head)
            return
        self._owner.replica_replied(self, batch, head, outputs)

    def _lost(self, batch: Batch | None) -> None:
        if self._warm is not None and not self._warm.done():
            self._warm.set_exception(ModelFailed(self.name, "its replica died while warming up"))
        if self.state is ReplicaState.READY:
            self.state = ReplicaState.STARTING
            # backoff is for a replica that dies on a request that has killed one before
            self._repeated = batch is not None and any(ticket.attempts for ticket in batch.tickets)
            self._owner.replica_lost(self, batch)
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)
