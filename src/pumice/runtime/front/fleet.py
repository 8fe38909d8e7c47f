"""All replicas of one version, kept alive."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pumice.domain.errors import PumiceError
from pumice.observe.stats import VersionStats
from pumice.protocol.frames import error_of
from pumice.runtime.front.keeper import Keeper
from pumice.runtime.front.news import ReplicaNews, ReplicaState
from pumice.runtime.front.process import WorkerProcess
from pumice.runtime.front.pulse import Pulse


class Fleet:
    """The replicas of one version. Making one starts their processes.

    Args:
        name: Model and version, for messages.
        replicas: How many there are.
        spawn: Starts the process of the replica with this number.
        tell: Told of every change of a replica.
        load_timeout: Longest that loading may take (s).
        release: Called when the last of them has ended for good.

    Attributes:
        keepers: One for each replica, by their numbers.
    """

    def __init__(
        self,
        name: str,
        replicas: int,
        spawn: Callable[[int], WorkerProcess],
        tell: Callable[[ReplicaNews], None],
        load_timeout: float,
        release: Callable[[], None],
    ) -> None:
        self._release = release
        self._tell = tell
        self._changed = asyncio.Event()
        self._pulse: Pulse | None = None
        self.keepers = [self._keeper(name, number, spawn, load_timeout) for number in range(replicas)]

    def _keeper(self, name: str, number: int, spawn: Callable[[int], WorkerProcess], load_timeout: float) -> Keeper:
        return Keeper(f"{name}#{number}", number, lambda: spawn(number), self._told, load_timeout)

    def start(self, stats: VersionStats, pulse: Pulse) -> None:
        """Begin to look after the replicas, in the running loop.

        Args:
            stats: Counts their restarts.
            pulse: Calls what has to look at running calls.
        """
        self._pulse = pulse
        pulse.add(self._look)
        for keeper in self.keepers:
            keeper.watch(stats)

    async def until_ready(self) -> None:
        """Wait until a replica is ready.

        Raises:
            PumiceError: All have failed to start at least once; the error is one of theirs.
        """
        while not any(keeper.state is ReplicaState.READY for keeper in self.keepers):
            problems = [error for keeper in self.keepers if (error := _problem(keeper)) is not None]
            if problems and len(problems) == len(self.keepers):
                raise problems[-1]
            self._changed.clear()
            await self._changed.wait()

    async def until_complete(self) -> None:
        """Wait until every replica is ready.

        Raises:
            PumiceError: One has failed to start; the error is its own.
        """
        while any(keeper.state is not ReplicaState.READY for keeper in self.keepers):
            problem = next((error for keeper in self.keepers if (error := _problem(keeper)) is not None), None)
            if problem is not None:
                raise problem
            self._changed.clear()
            await self._changed.wait()

    async def stop(self) -> None:
        """End them for good."""
        if self._pulse is not None:
            self._pulse.remove(self._look)
        await asyncio.gather(*(keeper.stop() for keeper in self.keepers))
        self._release()

    def _told(self, news: ReplicaNews) -> None:
        self._changed.set()
        self._tell(news)

    def _look(self, now: float) -> None:
        for keeper in self.keepers:
            keeper.look(now)


def _problem(keeper: Keeper) -> PumiceError | None:
    problem = keeper.news.problem if keeper.news.failures else None
    return error_of(problem, keeper.name) if problem is not None else None
