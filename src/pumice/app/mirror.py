"""The models of a front that is one of several, as the parent tells them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Sequence
from typing import TypeVar

from pumice.app.channel import Channel, ChannelLost
from pumice.app.known import Known
from pumice.app.messages import Asleep, Awake, Change, End, Flip, Index, News, Serve, ToFront, Use, Used, Wake
from pumice.config import Settings
from pumice.domain.errors import ModelNotReady
from pumice.observe.report import VersionReport, report_of
from pumice.runtime.front.pulse import Pulse
from pumice.runtime.front.version import ServedVersion
from pumice.service.catalog import Catalog
from pumice.service.models import Dormant, Models, ModelState
from pumice.service.models.wanted import Parameters

_TELL_EVERY = 1.0
"""How often the parent is told what is used (s)."""

T = TypeVar("T")


class Mirror(Models):
    """What the parent serves; changes go to it.

    Args:
        catalog: What is served; it is kept in step.
        channel: The way to the parent.
    """

    def __init__(self, catalog: Catalog, channel: Channel[ToFront]) -> None:
        # nothing of what changes models is here: they are the parent's
        self.catalog = catalog
        self._channel = channel
        self._settings = Settings()
        self._pulse = Pulse()
        self._versions: dict[int, ServedVersion] = {}
        self._known = Known()
        self._waking: dict[tuple[str, str], asyncio.Task[ServedVersion]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._telling: asyncio.Task[None] | None = None

    # -- operations

    async def index(self, ready: bool = False) -> list[ModelState]:
        """List every version.

        Args:
            ready: Only those that can answer.

        Raises:
            ModelNotReady: The parent does not answer.
        """
        return await self._ask(Index(ready), list[ModelState])

    async def load(self, name: str, parameters: Parameters | None = None) -> None:
        """As `Models.load`; every front serves it when this returns.

        Raises:
            PumiceError: It cannot be loaded; what was served still is.
        """
        await self._ask(Change(True, name, dict(parameters or {})), bool)

    async def unload(self, name: str, parameters: Parameters | None = None) -> None:
        """As `Models.unload`; no front serves it when this returns.

        Raises:
            PumiceError: It cannot be unloaded.
        """
        await self._ask(Change(False, name, dict(parameters or {})), bool)

    # -- life

    def begin(self, settings: Settings) -> None:
        """Take the settings."""
        self._settings = settings
        if settings.memory_budget or settings.max_loaded:
            self._telling = asyncio.get_running_loop().create_task(self._tell())

    async def stop(self) -> None:
        """Leave all replicas."""
        if self._telling is not None:
            self._telling.cancel()
        await asyncio.gather(*(served.stop() for served in self._versions.values()), *self._ending)

    # -- what the parent says

    def serve(self, message: Serve) -> None:
        """Connect to a version's replicas."""
        settings = self._settings
        entry = self._known.entry(message.settings)
        # each front holds its part of what may wait
        served = ServedVersion(
            message.settings,
            self._pulse,
            max_queue=-(-settings.max_queue // settings.workers),
            cache_ttl=settings.cache_ttl,
            stats=entry.stats,
        )
        self._versions[message.key] = served
        served.start()

    def news(self, message: News) -> None:
        """Hear of a replica."""
        served = self._versions.get(message.key)
        if served is not None:
            served.told(message.news)

    def flip(self, message: Flip) -> None:
        """Serve these versions of a model from now on."""
        self.catalog.flip(message.model, [served for face in message.faces if (served := self._face(face)) is not None])
        everywhere = (*self.catalog.all(), *self._versions.values())
        self._known.forget_long_gone({(served.name, served.version) for served in everywhere})

    async def attached(self, keys: Sequence[int]) -> None:
        """Wait until versions can be asked; not for ever, since their replicas may die."""
        waiting = [served.until_ready() for key in keys if (served := self._versions.get(key)) is not None]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.load_timeout):
                await asyncio.gather(*waiting)

    async def retire(self, key: int) -> None:
        """Answer what a version has taken, and leave it."""
        served = self._versions.get(key)
        if served is not None:
            await served.drain(self._settings.drain_timeout)
            self.end(End(key, "it was unloaded"))

    def end(self, message: End) -> None:
        """Leave a version at once."""
        served = self._versions.pop(message.key, None)
        if served is not None:
            why = ModelNotReady(served.name, message.why) if message.why else None
            task = asyncio.get_running_loop().create_task(served.stop(why))
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    def reports(self) -> list[VersionReport]:
        """What this front counted."""
        return [report_of(served) for served in self.catalog.observed()]

    def _face(self, face: Awake | Asleep) -> ServedVersion | None:
        if isinstance(face, Awake):
            return self._versions.get(face.key)
        entry = self._known.entry(face.settings)
        entry.settings, entry.profile = face.settings, face.profile
        entry.reason, entry.rests_until = face.reason, face.rests_until
        most = -(-self._settings.max_queue // self._settings.workers)
        return Dormant(entry, lambda: self._wake(face.settings.name, face.settings.version), most)

    # -- what it asks of the parent

    def _wake(self, name: str, version: str) -> Awaitable[ServedVersion]:
        """Have a version loaded; all who ask meanwhile wait for the same answer."""
        key = (name, version)
        task = self._waking.get(key)
        if task is None:
            task = self._waking[key] = asyncio.get_running_loop().create_task(self._ask_awake(name, version))
            task.add_done_callback(lambda done: self._woken(key, done))
        return asyncio.shield(task)

    def _woken(self, key: tuple[str, str], done: asyncio.Task[ServedVersion]) -> None:
        del self._waking[key]
        if not done.cancelled():
            done.exception()  # who waits has it; if nobody does any more, nobody wants it

    async def _ask_awake(self, name: str, version: str) -> ServedVersion:
        while True:
            served = self._versions.get(await self._ask(Wake(name, version), int))
            if served is not None:  # else it has been put to sleep again meanwhile
                return served

    async def _ask(self, message: object, answer: type[T]) -> T:
        try:
            return await self._channel.ask(message, answer)
        except ChannelLost:
            raise ModelNotReady("*", "the server's parent process does not answer") from None

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(_TELL_EVERY)
            uses = [Use(key, served.last_used, served.inflight) for key, served in self._versions.items()]
            self._channel.tell(Used(uses))
