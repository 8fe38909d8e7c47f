"""The front processes of one parent: started, kept alive, talked to, and ended."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import time
from typing import Protocol

from pumice.app.channel import Channel, ChannelLost
from pumice.app.front_process import FrontProcess
from pumice.app.messages import Begin, Open, Stop, ToFront, ToParent
from pumice.app.processes import use_of
from pumice.config import Settings
from pumice.domain.errors import ModelFailed
from pumice.observe.observed import ProcessUse
from pumice.observe.report import VersionReport, add_report

_log = logging.getLogger("pumice")

_REPORT_LIMIT = 2.0
"""Longest wait for what a front counted (s)."""

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 10.0
_STEADY = 10.0
"""A front that has lived so long has nothing to do with how those before it died (s)."""


class Owner(Protocol):
    """What fronts need of their parent."""

    def introduce(self, channel: Channel[ToParent]) -> None:
        """Tell a new front all that there is; nothing is waited for, so that no news come between."""

    def front_serves(self) -> None:
        """A front takes connections."""

    def front_gone(self, number: int) -> None:
        """A front has ended."""

    def front_told(self, number: int, message: ToParent) -> None:
        """A front tells something."""

    async def front_asked(self, message: ToParent) -> object:
        """A front asks something; gives the answer."""


class Fronts:
    """The fronts.

    Args:
        owner: The parent.
    """

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._settings = Settings()
        self._fronts: dict[int, FrontProcess] = {}
        self._keeping: list[asyncio.Task[None]] = []
        self._past: list[VersionReport] = []
        self._past_cpu = 0.0
        self._started = time.time()
        self._stopping = False

    # -- talking to them

    def tell(self, message: ToFront) -> None:
        """Tell all of them."""
        for front in self._fronts.values():
            front.channel.tell(message)

    async def ask_all(self, message: ToFront) -> None:
        """Ask all of them and wait for their answers; one that ends meanwhile need not answer.

        Raises:
            PumiceError: What one of them raised.
        """

        async def ask(front: FrontProcess) -> None:
            with contextlib.suppress(ChannelLost):
                await front.channel.ask(message, bool)

        await asyncio.gather(*(ask(front) for front in list(self._fronts.values())))

    def doors(self) -> list[socket.socket]:
        """The sockets over which those that serve take connections."""
        return [front.handoff for front in self._fronts.values() if front.serving]

    # -- life

    async def start(self, settings: Settings) -> None:
        """Start all and keep them alive from then on; return when they have opened.

        Args:
            settings: All settings, with the ports that were chosen.

        Raises:
            ModelFailed: One cannot serve.
        """
        self._settings = settings
        async with asyncio.TaskGroup() as group:
            for number in range(1, settings.workers + 1):
                group.create_task(self._first_start(number))

    async def drain(self) -> None:
        """Have them answer what they have, and end them."""
        self._stopping = True
        fronts = list(self._fronts.values())
        for front in fronts:
            front.channel.tell(Stop())
        ends = [asyncio.create_task(front.ended()) for front in fronts]
        if ends:
            # each keeps to the limit by itself; what is over it was lost anyway
            await asyncio.wait(ends, timeout=2 * self._settings.drain_timeout + 15)
        for front in fronts:
            front.kill()
        await asyncio.gather(*ends)
        for task in self._keeping:
            task.cancel()
        await asyncio.gather(*self._keeping, return_exceptions=True)

    async def _first_start(self, number: int) -> None:
        front = await self._start(number)
        self._keeping.append(asyncio.create_task(self._keep(front)))

    async def _start(self, number: int) -> FrontProcess:
        """Start a front.

        Raises:
            ModelFailed: It cannot serve.
        """
        owner = self._owner
        front = FrontProcess(number, lambda message: owner.front_told(number, message), owner.front_asked)
        await front.connect()
        channel = front.channel
        channel.tell(Begin(number, self._settings))
        owner.introduce(channel)
        self._fronts[number] = front
        try:
            await channel.ask(Open(), bool)
        except ConnectionError:
            code = await front.ended()
            self._bury(front)
            raise ModelFailed(
                f"front {number}", front.problem or f"it ended while starting (exit code {code})"
            ) from None
        front.serving = True
        _log.info("front serves", extra={"front": number, "pid": front.pid})
        owner.front_serves()
        return front

    async def _keep(self, front: FrontProcess) -> None:
        pause = _FIRST_PAUSE
        number = front.number
        while True:
            since = time.monotonic()
            code = await front.ended()
            self._bury(front)
            if self._stopping:
                return
            _log.error("front ended", extra={"front": number, "pid": front.pid, "code": code})
            while True:
                if time.monotonic() - since >= _STEADY:
                    pause = _FIRST_PAUSE
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
                with contextlib.suppress(ModelFailed, OSError):
                    front = await self._start(number)
                    break

    def _bury(self, front: FrontProcess) -> None:
        """Keep what a front has counted, so that no sum ever falls."""
        if self._fronts.get(front.number) is front:
            del self._fronts[front.number]
            self._owner.front_gone(front.number)
        for report in front.reports:
            add_report(self._past, report)
        self._past_cpu += front.cpu_seconds
        front.reports, front.cpu_seconds = [], 0.0

    # -- what they have counted

    def forget(self, model: str) -> None:
        """Forget what fronts that are gone had counted of a model that is not served any more."""
        self._past = [report for report in self._past if report.name != model]

    async def reports(self) -> list[VersionReport]:
        """What they have counted, and those before them."""
        told = await asyncio.gather(*(front.report(_REPORT_LIMIT) for front in list(self._fronts.values())))
        return [*self._past, *(report for reports in told for report in reports)]

    def use(self) -> ProcessUse:
        """What they and this process use together."""
        uses = [use_of(os.getpid())]
        for front in self._fronts.values():
            use = use_of(front.pid)
            if use is not None:
                front.cpu_seconds = use.cpu_seconds
            uses.append(use)
        known = [use for use in uses if use is not None]
        return ProcessUse(
            cpu_seconds=sum(use.cpu_seconds for use in known) + self._past_cpu,
            resident_bytes=sum(use.resident_bytes for use in known),
            virtual_bytes=sum(use.virtual_bytes for use in known),
            open_fds=sum(use.open_fds for use in known),
            max_fds=min((use.max_fds for use in known), default=0),
            start_seconds=self._started,
        )
