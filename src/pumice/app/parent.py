"""A server of several front processes: the parent keeps the replicas, and the fronts.

The process that the user started serves nothing itself. It accepts HTTP connections for the fronts, knows the models
and tells the fronts of them, adds up what they count, starts again what dies, and ends all.
"""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path

import msgspec

from pumice.app.channel import Channel
from pumice.app.doorway import Doorway, listen, reserve
from pumice.app.first import begin_first, models_options
from pumice.app.fronts import Fronts
from pumice.app.kept import Kept, KeptLauncher, own_report
from pumice.app.messages import (
    Asleep,
    Attached,
    Awake,
    Change,
    Flip,
    Index,
    Observe,
    Observed,
    Ping,
    ToParent,
    Used,
    Wake,
)
from pumice.config import Settings
from pumice.domain.errors import BadSetting, PumiceError
from pumice.runtime.front.folder import remove_run_folder
from pumice.runtime.front.version import ServedVersion
from pumice.service.catalog import Catalog
from pumice.service.models import Dormant, Models
from pumice.service.sources import Sources

_log = logging.getLogger("pumice")


class Parent:
    """A server of several fronts. Making one starts the replicas; they load while the fronts start.

    Args:
        settings: All settings.
        environ: The environment that replicas get.

    Raises:
        PumiceError: A model's source or settings cannot be used.
    """

    def __init__(self, settings: Settings, environ: dict[str, str]) -> None:
        if settings.shared_memory:  # a region is known to the front at which it was registered
            raise BadSetting("'shared_memory' with several 'workers'", "true", "false, or 'workers': 1")
        self._settings = settings
        self._fronts = Fronts(self)
        self._sources = Sources(settings)
        self._launcher = KeptLauncher(settings, environ, self._fronts, self._sources)
        self._catalog = Catalog()
        self._models: Models
        self._doorway: Doorway | None = None
        self._declared, self._running = begin_first(settings, self._sources, self._launcher.begin)

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
        self._launcher.watch()
        settings = self._settings
        options = models_options(settings, (model for model, _ in self._declared))
        self._models = Models(self._catalog, self._launcher, options, settings.of_model, self._sources)
        try:
            for model, versions in self._declared:
                self._models.register(model, versions, [kept for kept in self._running if kept.name == model.name])
            self._catalog.on_flip(lambda model: self._fronts.tell(self._flip(model)))
            await self._serve(stop, announce)
        finally:
            await self._models.stop()

    async def _serve(self, stop: asyncio.Event, announce: Path | None) -> None:
        from pumice.app.faces import url_of, write_announcement

        settings, started = self._settings, time.monotonic()
        http = listen(settings.host, settings.port)
        grpc = reserve(settings.host, settings.grpc_port) if settings.grpc_port >= 0 else None
        port = http.getsockname()[1]
        grpc_port = grpc.getsockname()[1] if grpc else -1
        settings = msgspec.structs.replace(settings, port=port, grpc_port=grpc_port)
        self._doorway = Doorway(http, self._fronts.doors)
        stopping = asyncio.create_task(stop.wait())
        ready = asyncio.create_task(self._until_ready(settings))
        try:
            await asyncio.wait({ready, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if ready.done():
                await ready
                self._models.start()
                seconds = round(time.monotonic() - started, 3)
                _log.info("ready", extra={"url": url_of(settings, port), "seconds": seconds})
                if announce is not None:
                    write_announcement(announce, settings, port, grpc_port if grpc else None)
                await stopping
            _log.info("stopping")
        finally:
            ready.cancel()
            stopping.cancel()
            self._doorway.close()
            await self._fronts.drain()
            if grpc is not None:
                grpc.close()

    async def _until_ready(self, settings: Settings) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._fronts.start(settings))
            group.create_task(self._launcher.until_ready())
        await self._fronts.ask_all(Attached([kept.key for kept in self._running]))

    # -- what fronts are told

    def _flip(self, model: str) -> Flip:
        served = self._catalog.versions(model) if model in self._catalog.names() else []
        return Flip(model, [_face(version) for version in served])

    def introduce(self, channel: Channel[ToParent]) -> None:
        """Tell a new front all that there is."""
        self._launcher.introduce(channel)
        for model in self._catalog.names():
            channel.tell(self._flip(model))

    def front_serves(self) -> None:
        """Accept connections for it."""
        if self._doorway is not None:
            self._doorway.open()

    def front_gone(self, number: int) -> None:
        """Forget what it used."""
        self._launcher.forget(number)

    # -- what fronts tell and ask

    def front_told(self, number: int, message: ToParent) -> None:
        """Remember what a front uses."""
        if isinstance(message, Used):
            self._launcher.used(number, message.uses)

    async def front_asked(self, message: ToParent) -> object:
        """Answer a front.

        Raises:
            PumiceError: It cannot be done.
        """
        if isinstance(message, Observe):
            return await self._observe()
        if isinstance(message, Wake):
            return await self._wake(message.model, message.version)
        if isinstance(message, Index):
            return await self._models.index(message.ready)
        if isinstance(message, Change):
            return await self._change(message)
        raise PumiceError

    async def _change(self, message: Change) -> bool:
        """Load or unload a model; all fronts have done so when this returns."""
        change = self._models.load if message.load else self._models.unload
        await change(message.model, message.parameters)
        # each handles what it is told in order, so that the answer comes after the change
        await self._fronts.ask_all(Ping())
        if message.model not in self._catalog.names():
            self._fronts.forget(message.model)
        return True

    async def _wake(self, model: str, version: str) -> int:
        """Have a version in memory and give its key."""
        served = self._catalog.find(model, version)
        if isinstance(served, Dormant):
            try:
                served = await served.awake()
            except PumiceError:
                self._fronts.tell(self._flip(model))  # now they know why, and for how long not to ask again
                raise
        assert isinstance(served, Kept)  # noqa: S101 - there is nothing else
        return served.key

    async def _observe(self) -> Observed:
        served = [one for one in self._catalog.all() if not one.dormant or one.stats.loads]
        own = [own_report(one) for one in served]
        known = {(one.name, one.version) for one in self._catalog.all()}
        told = [report for report in await self._fronts.reports() if (report.name, report.version) in known]
        return Observed([*own, *told], self._fronts.use())


def _face(served: ServedVersion) -> Awake | Asleep:
    if isinstance(served, Dormant):
        entry = served.entry
        return Asleep(entry.settings, entry.profile, entry.reason, entry.rests_until)
    assert isinstance(served, Kept)  # noqa: S101 - there is nothing else
    return Awake(served.key)
