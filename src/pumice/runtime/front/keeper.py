"""Keeps one replica alive: start, load, warm up, watch, kill what hangs, start again.

The keeper lives with the process that the user started. It tells what it knows to the fronts (`ReplicaNews`), who
hold their own connections to the replica.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

import msgspec

from pumice.domain.errors import ModelFailed, PumiceError
from pumice.observe.stats import VersionStats
from pumice.protocol.frames import record_error
from pumice.runtime.front.news import ReplicaNews, ReplicaState
from pumice.runtime.front.process import WorkerProcess, describe_exit
from pumice.runtime.front.warming import warm_up
from pumice.runtime.page import HangWatch, RunningCall, StatusView

_log = logging.getLogger("pumice.replica")

_FIRST_BACKOFF = 0.5
_LONGEST_BACKOFF = 30.0

_STEADY = 10.0
"""A replica that was ready for so long has nothing to do with how its forerunners died (s)."""

_FREE_RESTARTS = 3
"""Short lives in a row that are followed by a start at once: so many replicas one request can kill, before it fails."""

_HOPELESS_STARTS = 3
_HOPELESS_LIVES = 6
"""Failed starts, or short lives, in a row after which requests are refused rather than kept waiting."""

Tell = Callable[[ReplicaNews], None]
"""Called with each change, in the event loop."""


class Keeper:
    """Looks after one replica.

    Args:
        name: Model and number, for the log.
        number: Counts the replicas of a version from 0.
        spawn: Starts a process.
        tell: Told of every change.
        load_timeout: Longest that loading may take (s).

    Attributes:
        name: Model and number.
        news: The replica as it stands.
    """

    def __init__(
        self, name: str, number: int, spawn: Callable[[], WorkerProcess], tell: Tell, load_timeout: float
    ) -> None:
        self.name = name
        self.news = ReplicaNews(number)
        self._spawn = spawn
        self._tell = tell
        self._load_timeout = load_timeout
        self._process: WorkerProcess | None = spawn()
        self._page: StatusView | None = None
        self._watch = HangWatch()
        self._warmed = 0
        self._hung = False
        self._failed_starts = 0
        self._task: asyncio.Task[None] | None = None

    @property
    def state(self) -> ReplicaState:
        """Where it is in its life."""
        return self.news.state

    @property
    def pid(self) -> int:
        """Process id, or 0 while there is none."""
        return self._process.pid if self._process else 0

    def watch(self, stats: VersionStats) -> None:
        """Begin to look after it, in the running loop.

        Args:
            stats: Counts the restarts.
        """
        self._task = asyncio.get_running_loop().create_task(self._live(stats), name=f"replica {self.name}")

    def look(self, now: float) -> None:
        """Kill the replica if its call hangs.

        Args:
            now: The monotonic clock (s).
        """
        if self._page is None or self._hung:
            return
        call = self._page.running()
        if self._watch.hangs(call, now) and call is not None and self._process is not None:
            self._hung = True
            _log.error(
                "model hangs",
                extra={"replica": self.name, "pid": self.pid, "limit_s": call.limit, "seconds": now - call.since},
            )
            self._process.kill()

    async def stop(self) -> None:
        """End it for good."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._process is not None:
            await self._process.exited()
            self._process = None
        # its descriptor would stay until the garbage collector comes round
        self._page = None
        self._now(ReplicaState.STOPPED, pid=0)

    async def _live(self, stats: VersionStats) -> None:
        while True:
            try:
                await self._start()
            except (PumiceError, OSError) as error:
                known = error if isinstance(error, PumiceError) else ModelFailed(self.name, str(error))
                _log.error("replica cannot start", extra={"replica": self.name, "problem": known.message})
                await self._reap()
                self._failed_starts += 1
                hopeless = self._failed_starts >= _HOPELESS_STARTS
                await self._pause(known, self.news.failures + 1, self._failed_starts, hopeless=hopeless)
                continue
            self._failed_starts = 0
            since = time.monotonic()
            if self._process is not None:
                await self._process.gone()
            lived = time.monotonic() - since
            self._now(ReplicaState.STARTING)
            call = self._page.running() if self._page else None
            useful = lived >= _STEADY or (self._page is not None and self._page.answered > self._warmed)
            code = await self._reap()
            stats.restarts += 1
            await self._after(code, call, useful=useful)

    async def _start(self) -> None:
        if self._process is None:
            self._process = self._spawn()
        process = self._process
        self._hung = False
        self._now(ReplicaState.STARTING, pid=process.pid, life=self.news.life + 1, socket=process.spec.socket)
        try:
            async with asyncio.timeout(self._load_timeout):
                profile = await process.loaded()
                warmed = await warm_up(process.spec.socket, self.name, profile)
        except TimeoutError:
            problem = f"it was not loaded within its 'load_timeout' of {self._load_timeout:g} s"
            raise ModelFailed(self.name, problem) from None
        self._page = warmed.page
        self._warmed = warmed.page.answered
        _log.info("replica ready", extra={"replica": self.name, "pid": process.pid})
        self._now(ReplicaState.READY, profile=profile, warmed=warmed.timings)

    async def _after(self, code: int, call: RunningCall | None, *, useful: bool) -> None:
        """Choose when to start again after a death; a life that was of use owes nothing to those before it."""
        before = 0 if useful else self.news.failures
        if self._hung:
            # each hang takes its time limit to find, so that starting again at once can be no loop
            self._now(ReplicaState.STARTING, failures=before, hopeless=False)
            return
        failures = before + 1
        when = "in the middle of a call" if call is not None else "between calls"
        times = f", {failures} times in a row" if failures > 1 else ""
        problem = ModelFailed(self.name, f"its replica died {when}{times} ({describe_exit(code)})")
        if failures <= _FREE_RESTARTS:
            self._now(ReplicaState.STARTING, failures=failures, problem=record_error(problem), hopeless=False)
            return
        _log.error("replica keeps dying", extra={"replica": self.name, "problem": problem.message})
        await self._pause(problem, failures, failures - _FREE_RESTARTS, hopeless=failures >= _HOPELESS_LIVES)

    async def _pause(self, problem: PumiceError, failures: int, doublings: int, *, hopeless: bool) -> None:
        seconds = min(_FIRST_BACKOFF * 2.0 ** min(doublings - 1, 10), _LONGEST_BACKOFF)
        self._now(
            ReplicaState.BACKOFF,
            pid=0,
            failures=failures,
            problem=record_error(problem),
            hopeless=hopeless,
            retry_at=time.monotonic() + seconds,
        )
        await asyncio.sleep(seconds)

    async def _reap(self) -> int:
        process, self._process, self._page = self._process, None, None
        if process is None:  # it could not even be spawned
            return 0
        code = await process.exited()
        _log.warning("replica ended", extra={"replica": self.name, "pid": process.pid, "end": describe_exit(code)})
        return code

    def _now(self, state: ReplicaState, **more: object) -> None:
        self.news = msgspec.structs.replace(self.news, state=state, **more)
        self._tell(self.news)
