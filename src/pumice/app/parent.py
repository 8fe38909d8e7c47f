"""A server of several front processes: the parent keeps the replicas, and the fronts.

The process that the user started serves nothing itself. It accepts HTTP connections for the fronts, tells them of the
replicas, adds up what they count, starts again what dies, and ends all.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from pumice.app.doorway import Doorway, listen, reserve
from pumice.app.front_process import FrontProcess
from pumice.app.launcher import start_fleet
from pumice.app.messages import Attached, Begin, News, Observed, Open, Serve, Stop
from pumice.app.processes import use_of
from pumice.config import ModelSettings, Settings
from pumice.domain.errors import BadSetting, ModelFailed
from pumice.engines.layout import expand_versions
from pumice.engines.source import resolve_source
from pumice.observe.observed import ProcessUse
from pumice.observe.report import ReplicaReport, VersionReport, add_report, to_plain
from pumice.observe.stats import VersionStats
from pumice.runtime.front.fleet import Fleet
from pumice.runtime.front.folder import remove_run_folder
from pumice.runtime.front.news import ReplicaNews
from pumice.runtime.front.pulse import Pulse

_log = logging.getLogger("pumice")

_REPORT_LIMIT = 2.0
"""Longest wait for what a front counted (s)."""

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 10.0
_STEADY = 10.0
"""A front that has lived so long has nothing to do with how those before it died (s)."""


@dataclass
class Kept:
    """A version whose replicas the parent keeps.

    Attributes:
        key: Counts the versions that were ever started.
        settings: How it is served.
        fleet: Its replicas.
        stats: What the parent itself counts of it.
    """

    key: int
    settings: ModelSettings
    fleet: Fleet
    stats: VersionStats = field(default_factory=VersionStats)

    def report(self) -> VersionReport:
        """What the parent knows of it."""
        replicas = tuple(ReplicaReport(keeper.name, str(keeper.state), keeper.pid) for keeper in self.fleet.keepers)
        name, version = self.settings.name, self.settings.version
        return VersionReport(name, version, to_plain(self.stats), replicas=replicas)


class Parent:
    """A server of several fronts. Making one starts the replicas; they load while the fronts start.

    Args:
        settings: All settings.
        environ: The environment that replicas get.

    Raises:
        SetupError: A model's source or settings cannot be used.
    """

    def __init__(self, settings: Settings, environ: dict[str, str]) -> None:
        self._settings = settings
        self._environ = environ
        self._pulse = Pulse()
        self._kept: dict[int, Kept] = {}
        self._fronts: dict[int, FrontProcess] = {}
        self._keeping: list[asyncio.Task[None]] = []
        self._past: list[VersionReport] = []
        self._past_cpu = 0.0
        self._started = time.time()
        self._stopping = False
        self._doorway: Doorway | None = None
        try:
            _refuse_changes(settings)
            for model in settings.models:
                for version in expand_versions(settings.of_model(model)):
                    self._keep(version)
        except BaseException:
            remove_run_folder()
            raise

    def run(self, announce: Path | None = None) -> None:
        """Serve until SIGTERM or SIGINT, then drain.

        Args:
            announce: File that is written (at once, as a whole) with the addresses when all fronts serve all models.

        Raises:
            PumiceError: A port cannot be had, a model cannot be loaded, or a front cannot serve.
        """
        import uvloop

        try:
            uvloop.run(self._main(announce))
        finally:
            remove_run_folder()

    async def _main(self, announce: Path | None) -> None:
        from pumice.app.faces import stop_signals

        stop = stop_signals()
        for kept in self._kept.values():
            kept.fleet.start(kept.stats, self._pulse)
        try:
            await self._serve(stop, announce)
        finally:
            await asyncio.gather(*(kept.fleet.stop() for kept in self._kept.values()))

    async def _serve(self, stop: asyncio.Event, announce: Path | None) -> None:
        from pumice.app.faces import url_of, write_announcement

        settings, started = self._settings, time.monotonic()
        http = listen(settings.host, settings.port)
        grpc = reserve(settings.host, settings.grpc_port) if settings.grpc_port >= 0 else None
        port = http.getsockname()[1]
        grpc_port = grpc.getsockname()[1] if grpc else -1
        self._settings = msgspec.structs.replace(settings, port=port, grpc_port=grpc_port)
        self._doorway = Doorway(http, self._open_fronts)
        stopping = asyncio.create_task(stop.wait())
        ready = asyncio.create_task(self._until_ready())
        try:
            await asyncio.wait({ready, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if ready.done():
                await ready
                seconds = round(time.monotonic() - started, 3)
                _log.info("ready", extra={"url": url_of(settings, port), "seconds": seconds})
                if announce is not None:
                    write_announcement(announce, settings, port, grpc_port if grpc else None)
                await stopping
            _log.info("stopping")
        finally:
            ready.cancel()
            stopping.cancel()
            await self._drain()
            if grpc is not None:
                grpc.close()

    async def _until_ready(self) -> None:
        async with asyncio.TaskGroup() as group:
            firsts = [group.create_task(self._first_start(number)) for number in range(1, self._settings.workers + 1)]
            for kept in self._kept.values():
                group.create_task(kept.fleet.until_ready())
        for first in firsts:
            front = first.result()
            await front.channel.ask(Attached(), bool)

    # -- replicas

    def _keep(self, model: ModelSettings) -> Kept:
        key = len(self._kept) + 1
        located = resolve_source(model.source, model.manifest)

        def tell(news: ReplicaNews) -> None:
            for front in self._fronts.values():
                front.channel.tell(News(key, news))

        kept = self._kept[key] = Kept(key, model, start_fleet(self._settings, self._environ, model, located, tell))
        return kept

    # -- fronts

    def _open_fronts(self) -> list[socket.socket]:
        return [front.handoff for front in self._fronts.values() if front.serving]

    async def _first_start(self, number: int) -> FrontProcess:
        """Start a front, and keep it alive from then on.

        Raises:
            ModelFailed: It cannot serve.
        """
        front = await self._start_front(number)
        self._keeping.append(asyncio.create_task(self._keep_front(front)))
        return front

    async def _start_front(self, number: int) -> FrontProcess:
        front = FrontProcess(number, self._observe)
        await front.connect()
        channel = front.channel
        channel.tell(Begin(number, self._settings))
        # nothing is waited for here, so that no news come between
        for kept in self._kept.values():
            channel.tell(Serve(kept.key, kept.settings))
            for keeper in kept.fleet.keepers:
                channel.tell(News(kept.key, keeper.news))
        self._fronts[number] = front
        opened = asyncio.create_task(channel.ask(Open(), bool))
        try:
            await opened
        except ConnectionError:
            code = await front.ended()
            self._bury(front)
            raise ModelFailed(
                f"front {number}", front.problem or f"it ended while starting (exit code {code})"
            ) from None
        front.serving = True
        _log.info("front serves", extra={"front": number, "pid": front.pid})
        if self._doorway is not None:
            self._doorway.open()
        return front

    async def _keep_front(self, front: FrontProcess) -> None:
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
                    front = await self._start_front(number)
                    break

    def _bury(self, front: FrontProcess) -> None:
        """Keep what a front has counted, so that no sum ever falls."""
        if self._fronts.get(front.number) is front:
            del self._fronts[front.number]
        for report in front.reports:
            add_report(self._past, report)
        self._past_cpu += front.cpu_seconds
        front.reports, front.cpu_seconds = [], 0.0

    async def _drain(self) -> None:
        """Have the fronts answer what they have, and end them."""
        self._stopping = True
        if self._doorway is not None:
            self._doorway.close()
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

    # -- what all have counted

    async def _observe(self) -> Observed:
        fronts = list(self._fronts.values())
        told = await asyncio.gather(*(front.report(_REPORT_LIMIT) for front in fronts))
        own = [kept.report() for kept in self._kept.values()]
        return Observed([*own, *self._past, *(report for reports in told for report in reports)], self._use(fronts))

    def _use(self, fronts: list[FrontProcess]) -> ProcessUse:
        uses = [use_of(os.getpid())]
        for front in fronts:
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


def _refuse_changes(settings: Settings) -> None:
    """Refuse what would have models come and go while serving.

    Raises:
        BadSetting: A model is to be loaded on demand.
    """
    allowed = "all models in memory from the start, or 'workers': 1"
    for key in ("memory_budget", "max_loaded"):
        if getattr(settings, key):
            raise BadSetting(f"'{key}' with several 'workers'", str(getattr(settings, key)), allowed)
    for model in settings.models:
        if model.preload is False:
            raise BadSetting(f"model '{model.name}': 'preload' with several 'workers'", "false", allowed)
