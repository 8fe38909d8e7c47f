"""Which versions are in memory: loading and ending them, on an operation's or a request's demand."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Coroutine, Iterable
from pathlib import Path
from typing import TypeVar

from pumice.domain.errors import ModelNotReady, PumiceError
from pumice.runtime.front.version import ServedVersion
from pumice.service.catalog import Catalog
from pumice.service.models.dormant import Dormant
from pumice.service.models.entry import IDLE, UNLOADED, Entry
from pumice.service.models.memory import Room
from pumice.service.models.ports import Launcher, ModelsOptions
from pumice.service.models.uploads import Uploads
from pumice.service.models.warm import Warm

_log = logging.getLogger("pumice.models")

_TEND_EVERY = 5.0
"""How often the memory of the replicas is measured (s)."""

T = TypeVar("T")


class Residents:
    """The versions that the server knows, and those of them that are in memory.

    Args:
        catalog: What is served; it is kept in step.
        launcher: Starts and ends replicas.
        options: Limits.

    Attributes:
        launcher: Starts and ends replicas.
        known: Name -> version -> what is known of it.
        coming: Versions that are loaded to be known.
        uploads: The files that callers send.
        warm: Versions that an alias has left.
    """

    def __init__(self, catalog: Catalog, launcher: Launcher, options: ModelsOptions) -> None:
        self.launcher = launcher
        self.known: dict[str, dict[str, Entry]] = {}
        self.coming: list[Entry] = []
        self.uploads = Uploads(options.uploads)
        self.warm = Warm(options.keep_warm, self.end, self.spawn)
        self._catalog = catalog
        self._options = options
        self._room = Room(options.memory_budget, options.max_loaded, self.entries, self._put_to_sleep)
        self._at_once = asyncio.Semaphore(max(2, os.cpu_count() or 1))
        self._locks: dict[str, asyncio.Lock] = {}
        self._waking: dict[Entry, asyncio.Task[ServedVersion]] = {}
        self._tasks: set[asyncio.Task[object]] = set()

    def start(self) -> None:
        """Look after the memory from now on."""
        if self._options.memory_budget:
            self.spawn(self._tend())

    async def stop(self) -> None:
        """End all replicas."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(self.launcher.stop(entry.served) for entry in self.entries() if entry.served))
        self.uploads.close()

    # -- in and out of memory

    async def bring(self, entry: Entry, *, beside: bool = False) -> None:
        """Load a version; it is in memory afterwards, but not served yet."""
        entry.moving = "LOADING"
        try:
            async with asyncio.timeout(self._options.load_timeout):
                if not beside:
                    await self._room.reserve(entry)
                entry.came(await self.launcher.launch(entry.settings, entry.stats))
                entry.stats.loads += 1
        except TimeoutError:
            raise ModelNotReady(
                entry.settings.name, f"the load limit of {self._options.load_timeout:g} s passed"
            ) from None
        finally:
            entry.moving, entry.reserved = "", False
        if self._options.memory_budget:
            await self._room.measure([entry])

    async def end(self, entry: Entry, reason: str) -> None:
        """Have a version that is not served any more answer what it has, and end it."""
        served = entry.went(reason)
        if served is not None:
            entry.moving = "UNLOADING"
            await self.launcher.retire(served)
            entry.moving = ""
        folder = Path(entry.settings.source)
        used = [Path(other.settings.source) for other in self.entries() if other is not entry]
        for place in (folder, folder.parent):
            if self.uploads.holds(place) and not any(other.is_relative_to(place) for other in used):
                await asyncio.to_thread(self.uploads.drop, place)

    async def _put_to_sleep(self, entry: Entry) -> None:
        served = entry.went(IDLE)
        assert served is not None  # noqa: S101 - only what is in memory is chosen
        if not self.warm.forget(entry):
            self._catalog.put(self.face(entry))
        entry.stats.evictions += 1
        await self.launcher.retire(served)
        _log.info("idle model unloaded", extra={"model": served.name, "version": served.version})

    def _wake(self, entry: Entry) -> Awaitable[ServedVersion]:
        task = self._waking.get(entry)
        if task is None:
            task = self._waking[entry] = self.spawn(self._load_on_demand(entry))
            task.add_done_callback(lambda _done: self._waking.pop(entry, None))
        return asyncio.shield(task)

    async def _load_on_demand(self, entry: Entry) -> ServedVersion:
        name, version = entry.settings.name, entry.settings.version
        async with self.lock(name), self._at_once:
            now = self._catalog.find(name, version)
            if not now.dormant:  # a load came first
                return now
            try:
                await self.bring(entry)
            except (PumiceError, OSError) as error:
                reason = error.reason if isinstance(error, ModelNotReady) else str(error)
                entry.failed(reason)
                _log.error("load failed", extra={"model": name, "version": version, "problem": reason})
                raise ModelNotReady(name, reason) from None
            assert entry.served is not None  # noqa: S101 - it has just come
            self._catalog.put(entry.served)
            return entry.served

    async def _tend(self) -> None:
        while True:
            await asyncio.sleep(_TEND_EVERY)
            await self._room.tend()

    # -- what they all use

    def entries(self) -> list[Entry]:
        """All versions that are known, coming, or kept in memory for the way back."""
        known = (entry for known in self.known.values() for entry in known.values())
        return [*known, *self.coming, *self.warm.entries()]

    def make_do(self, name: str) -> None:
        """Let go of what is kept for a model's way back, if the limits of the memory do not hold it."""
        if self._room.over:
            self.end_warm(name)

    def end_warm(self, name: str) -> None:
        """Let go of what is kept for a model's way back."""
        for entry in self.warm.release(name):
            self.spawn(self.end(entry, UNLOADED))

    def face(self, entry: Entry) -> ServedVersion:
        """What the catalog shows of a version."""
        return entry.served or Dormant(entry, lambda: self._wake(entry), self._options.max_queue)

    def serve(self, name: str) -> None:
        """Bring the catalog in step with what is known of a model."""
        known: Iterable[Entry] = self.known.get(name, {}).values()
        self._catalog.flip(name, [self.face(entry) for entry in known if entry.reason != UNLOADED])

    def lock(self, name: str) -> asyncio.Lock:
        """What is held by whoever changes a model."""
        return self._locks.setdefault(name, asyncio.Lock())

    def spawn(self, work: Coroutine[object, object, T]) -> asyncio.Task[T]:
        """Do something that ends with the server at the latest."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[T]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, PumiceError):
            _log.error("a change of models failed unexpectedly", exc_info=error)
