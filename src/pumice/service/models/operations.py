"""The operations on models: index, load, unload, and loading on demand."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from pumice.config import ModelSettings
from pumice.domain.errors import (
    BadSetting,
    LoadFailed,
    ModelNotFound,
    PumiceError,
    SetupError,
    Tampered,
    VersionNotFound,
)
from pumice.runtime.front.version import ServedVersion
from pumice.service.catalog import Catalog
from pumice.service.models.admission import Admission
from pumice.service.models.entry import UNLOADED, Entry, ModelState
from pumice.service.models.exchange import Exchange
from pumice.service.models.following import Follower
from pumice.service.models.plan import Plan, Plans
from pumice.service.models.ports import Launcher, ModelsOptions
from pumice.service.models.residents import Residents
from pumice.service.models.wanted import Parameters, read_load, read_unload
from pumice.service.sources import Sources

_log = logging.getLogger("pumice.models")


class Models:
    """All models that the server knows.

    A model is *known* by its name, source and settings, and each of its versions is in memory or not. What is known
    at start comes from the settings; callers add to it and change it.

    Args:
        catalog: What is served; it is filled here.
        launcher: Starts and ends replicas.
        options: Limits.
        fill: Fills what a model's settings leave out.
        sources: Finds what sources name.

    Attributes:
        catalog: What is served.
    """

    def __init__(
        self,
        catalog: Catalog,
        launcher: Launcher,
        options: ModelsOptions,
        fill: Callable[[ModelSettings], ModelSettings],
        sources: Sources,
    ) -> None:
        self.catalog = catalog
        self._options = options
        self._plans = Plans(fill, sources)
        self._sources = sources
        self._residents = Residents(catalog, launcher, options)
        self._admission = Admission(options, sources, self._residents.uploads)
        self._exchange = Exchange(self._residents, self._plans, self._admit, self._bring_all)

    # -- life

    def register(
        self, model: ModelSettings, versions: Sequence[ModelSettings], running: Sequence[ServedVersion] = ()
    ) -> None:
        """Make a model of the settings known; those of its versions that do not run are loaded by their requests.

        Args:
            model: The model as it was given, every value filled.
            versions: The versions that its source names.
            running: Versions of it that are started already.

        Raises:
            BadSetting: A version of this name is known already.
        """
        known = self._residents.known.setdefault(model.name, {})
        started = {served.version: served for served in running}
        for settings in versions:
            if settings.version in known:
                raise BadSetting(f"model '{model.name}'", f"version {settings.version} twice", "versions that differ")
            served = started.get(settings.version)
            known[settings.version] = entry = Entry(settings, served.stats if served else None)
            if served is not None:
                entry.came(served)
            self.catalog.put(self._residents.face(entry))
        self._plans.declare(model)

    def start(self) -> None:
        """Look after the memory, and follow aliases, from now on."""
        self._residents.start()
        follower = Follower(self._plans.followed, self._exchange.follow, self._sources.watch, self._residents.spawn)
        self._residents.spawn(follower.run())

    async def stop(self) -> None:
        """End all replicas."""
        await self._residents.stop()

    # -- operations

    async def index(self, ready: bool = False) -> list[ModelState]:
        """List every version that is known.

        Args:
            ready: Only those that are in memory and can answer.
        """
        warm = self._residents.warm.entries()
        states = [entry.state for entry in self._residents.entries() if entry not in warm]
        states += self._exchange.stuck.values()
        # a version that is loaded beside the one that it replaces is one line, and that one answers
        told = {(state.name, state.version): state for state in reversed(states)}
        return [state for state in reversed(told.values()) if state.state == "READY" or not ready]

    async def load(self, name: str, parameters: Parameters | None = None) -> None:
        """Load a model, or load it again: new versions come up beside the old ones and then take their place at once.

        It goes on if the caller leaves. Requests that the old versions took are answered by them.

        Args:
            name: Name of the model.
            parameters: ``config`` (JSON text: keys of `ModelSettings`, or of Triton's model configuration) and
                ``file:<path>`` (content of a file of the model, ``bytes``), as in Triton's repository extension.

        Raises:
            MalformedInput: A parameter is unknown, or its value is not allowed.
            TooLarge: The files are too large.
            ModelNotFound: The model is not known, and no source is given.
            LoadRefused: The operator has not allowed the source.
            LoadFailed: It cannot be loaded; what was served still is.
            StorageFailed: The disk does not take the files.
        """
        wanted = read_load(name, parameters or {}, self._options.max_upload_bytes)
        await asyncio.shield(self._residents.spawn(self._load(name, wanted.changes, wanted.files)))

    async def unload(self, name: str, parameters: Parameters | None = None) -> None:
        """Take a model out of the service, answer what it has taken, and give its memory back before returning.

        Args:
            name: Name of the model.
            parameters: ``unload_dependents`` (no model here depends on another), and ``version``: only this one.

        Raises:
            MalformedInput: A parameter is unknown, or its value is not allowed.
            ModelNotFound: There is no such model or version.
        """
        version = read_unload(parameters or {})
        await asyncio.shield(self._residents.spawn(self._unload(name, version)))

    async def _load(self, name: str, changes: dict[str, object], files: dict[str, bytes]) -> None:
        async with self._residents.lock(name):
            folder = await asyncio.to_thread(self._residents.uploads.store, name, files) if files else None
            try:
                if folder is not None:
                    changes = changes | {"source": str(folder)}
                plan = await asyncio.to_thread(self._plan, name, changes)
                entries = await self._bring_all(name, plan.versions)
            except BaseException:
                if folder is not None:
                    await asyncio.to_thread(self._residents.uploads.drop, folder)
                raise
            self._take_over(name, plan, entries)
        _log.info("model loaded", extra={"model": name, "versions": [entry.settings.version for entry in entries]})

    def _plan(self, name: str, changes: dict[str, object]) -> Plan:
        plan = self._plans.plan(name, changes, tuple(self._residents.known))
        self._admit(name, plan.versions)
        return plan

    def _admit(self, name: str, versions: Sequence[ModelSettings]) -> None:
        known = self._plans.own_settings(name)
        try:
            for settings in versions:
                self._admission.check(settings, known)
        except (OSError, SetupError, Tampered, VersionNotFound) as error:
            raise LoadFailed(name, str(error)) from None

    async def _bring_all(self, name: str, versions: Sequence[ModelSettings], *, beside: bool = False) -> list[Entry]:
        known = self._residents.known.get(name, {})
        entries = []
        for settings in versions:
            old = known.get(settings.version)
            entries.append(Entry(settings, old.stats if old else self._exchange.past.get((name, settings.version))))
        self._residents.coming += entries
        try:
            async with asyncio.TaskGroup() as group:
                for entry in entries:
                    # one that takes another's place has that one's room
                    placed = beside or _in_memory(known.get(entry.settings.version))
                    group.create_task(self._residents.bring(entry, beside=placed))
        except BaseException as error:
            for entry in entries:
                if entry.served is not None:
                    await self._residents.launcher.stop(entry.served)
            if not isinstance(error, ExceptionGroup):
                raise
            problem = _first_problem(error)
            _log.error("load failed", extra={"model": name, "problem": str(problem)})
            raise LoadFailed(name, str(problem)) from None
        finally:
            for entry in entries:
                self._residents.coming.remove(entry)
        return entries

    def _take_over(self, name: str, plan: Plan, entries: Sequence[Entry]) -> None:
        """Serve what has come in the place of what was; within one turn of the loop."""
        before = self._residents.known.get(name, {})
        kept = {number: entry for number, entry in before.items() if plan.keeps_others}
        self._residents.known[name] = now = kept | {entry.settings.version: entry for entry in entries}
        self._plans.declare_current(name, plan)
        self._residents.serve(name)
        going = [entry for entry in before.values() if now.get(entry.settings.version) is not entry]
        for entry in going:
            self._residents.spawn(self._residents.end(entry, UNLOADED))
        self._residents.end_warm(name)  # it was loaded with other settings
        self._exchange.stuck.pop(name, None)

    async def _unload(self, name: str, version: str) -> None:
        async with self._residents.lock(name):
            known = self._residents.known.get(name)
            if known is None:
                raise ModelNotFound(name, known=tuple(self._residents.known))
            if version and version not in known:
                raise ModelNotFound(name, version, known=tuple(known))
            entries = [entry for number, entry in known.items() if not version or number == version]
            for entry in entries:
                entry.moving, entry.reason = "UNLOADING", UNLOADED
            self._residents.serve(name)
            left = [] if version else self._residents.warm.release(name)
            await asyncio.gather(*(self._residents.end(entry, UNLOADED) for entry in [*entries, *left]))
            self._exchange.stuck.pop(name, None)
            own = self._plans.own_settings(name)
            for entry in entries:
                # what was sent by a caller is gone; what has a source can be loaded again
                if not self._residents.uploads.holds(Path(entry.settings.source)):
                    continue
                if own is not None and own.version == entry.settings.version:
                    entry.settings = own
                else:
                    del known[entry.settings.version]
            if not known:
                del self._residents.known[name]
                self._plans.forget(name)
        _log.info("model unloaded", extra={"model": name, "versions": [entry.settings.version for entry in entries]})


def _first_problem(group: ExceptionGroup[Exception]) -> PumiceError | OSError:
    """The first of what may go wrong; anything else is a fault of ours and is raised as it is."""
    for error in group.exceptions:
        if isinstance(error, PumiceError | OSError):
            return error
    raise group.exceptions[0]


def _in_memory(entry: Entry | None) -> bool:
    return entry is not None and entry.served is not None
