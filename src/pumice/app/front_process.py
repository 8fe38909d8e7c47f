"""A front's process as the parent sees it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable

from pumice.app.channel import Channel, ChannelLost
from pumice.app.messages import Failed, Ping, Report, ToParent
from pumice.observe.report import VersionReport

_log = logging.getLogger("pumice.front")

PING_EVERY = 1.0
"""How often a front is asked whether its loop turns (s)."""

_DEAF_AFTER = 20
"""A front that has let so many such questions go by is killed; while the machine stands still none are asked."""


class FrontProcess:
    """A front that was started.

    Args:
        number: Counts the fronts from 1.
        told: Called with what it tells.
        asked: Called with what it asks; gives the answer.

    Attributes:
        number: Counts the fronts from 1.
        channel: The way to talk to it.
        handoff: Connections go to it over this socket.
        serving: It takes connections.
        reports: What it had counted when it was last asked.
        cpu_seconds: CPU time that it had taken then (s).
        problem: Why it cannot serve, if it said so.
        gone: Done when its process has ended; gives the exit code.
    """

    def __init__(
        self, number: int, told: Callable[[ToParent], None], asked: Callable[[ToParent], Awaitable[object]]
    ) -> None:
        self.number = number
        self.serving = False
        self.reports: list[VersionReport] = []
        self.cpu_seconds = 0.0
        self.problem = ""
        self._tell = told
        self._missed = 0
        self._pinging: asyncio.Task[None] | None = None
        control, theirs = socket.socketpair()
        self.handoff, their_handoff = socket.socketpair()
        self.handoff.setblocking(False)
        self._control = control
        with theirs, their_handoff:
            fds = (theirs.fileno(), their_handoff.fileno())
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "pumice.app.front", *map(str, fds)],
                pass_fds=fds,
                stdin=subprocess.DEVNULL,
            )
        self.channel: Channel[ToParent] = Channel(ToParent, self._told, asked, self._lost)
        self.gone: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    async def connect(self) -> None:
        """Begin to talk."""
        await self.channel.connect(self._control)
        self._pinging = asyncio.get_running_loop().create_task(self._ping())

    async def report(self, limit: float) -> list[VersionReport]:
        """Ask what it has counted; the last known answer if it does not say.

        Args:
            limit: Longest wait (s).
        """
        with contextlib.suppress(ChannelLost, TimeoutError):
            self.reports = await self.channel.ask(Report(), list[VersionReport], limit)
        return self.reports

    def kill(self) -> None:
        """End it at once."""
        if self._process.poll() is None:
            self._process.kill()

    async def ended(self) -> int:
        """Wait for the end of its process and give the exit code (< 0: by a signal)."""
        return await asyncio.shield(self.gone)

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(PING_EVERY)
            try:
                await self.channel.ask(Ping(), bool, PING_EVERY)
                self._missed = 0
            except TimeoutError:
                self._missed += 1
            except ChannelLost:
                return
            if self._missed >= _DEAF_AFTER:
                _log.error("front hangs", extra={"front": self.number, "pid": self.pid})
                self.kill()

    def _told(self, message: ToParent) -> None:
        if isinstance(message, Failed):
            self.problem = message.problem
        else:
            self._tell(message)

    def _lost(self) -> None:
        self.serving = False
        if self._pinging is not None:
            self._pinging.cancel()
        self._reaping = asyncio.get_running_loop().create_task(self._reap())

    async def _reap(self) -> None:
        # it ends by itself when its work is done; one that only closed the channel is of no use any more
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(5):
                code = await asyncio.shield(loop.run_in_executor(None, self._process.wait))
        except TimeoutError:
            self.kill()
            code = await loop.run_in_executor(None, self._process.wait)
        self.handoff.close()
        if not self.gone.done():
            self.gone.set_result(code)
