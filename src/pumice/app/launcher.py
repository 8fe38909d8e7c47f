"""Starts versions in replicas of this machine, and ends them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from pumice.config import ModelSettings, Settings
from pumice.domain.errors import BadSetting, ModelNotReady
from pumice.observe.stats import VersionStats
from pumice.protocol.frames import WorkerSpec
from pumice.runtime.front.fleet import Fleet
from pumice.runtime.front.news import ReplicaNews
from pumice.runtime.front.process import WorkerProcess
from pumice.runtime.front.pulse import Pulse
from pumice.runtime.front.version import ServedVersion
from pumice.runtime.worker.sandbox import MEASURES, offered
from pumice.service.sources import Located, Sources


class ReplicaLauncher:
    """The replicas of one server.

    Args:
        settings: All settings.
        environ: The environment that replicas get.
        sources: Finds the models' files.
    """

    def __init__(self, settings: Settings, environ: dict[str, str], sources: Sources) -> None:
        self._settings = settings
        self._environ = environ
        self._sources = sources
        self._pulse = Pulse()
        self._fleets: dict[ServedVersion, Fleet] = {}

    # -- before there is a loop

    def begin(self, model: ModelSettings) -> ServedVersion:
        """Start a version's replicas; they load while the rest of the server is imported. `watch` is next.

        Args:
            model: How it is served, every value filled.

        Raises:
            PumiceError: Its source or settings cannot be used.
        """
        return self._begin(model, self._sources.locate(model), None)

    def watch(self) -> None:
        """Look after what was begun, in the running loop."""
        for served, fleet in self._fleets.items():
            self._watch(served, fleet)

    async def until_ready(self) -> None:
        """Wait until every version that was begun can answer.

        Raises:
            PumiceError: One cannot be loaded.
        """
        await asyncio.gather(*(fleet.until_ready() for fleet in self._fleets.values()))
        await asyncio.gather(*(served.until_ready() for served in self._fleets))

    # -- while serving; see `pumice.service.models.Launcher`

    async def launch(self, settings: ModelSettings, stats: VersionStats) -> ServedVersion:
        """Start a version's replicas and look after them; return when all of them can be asked.

        Args:
            settings: How it is served, every value filled.
            stats: Its counters, which go on from an earlier time in memory.

        Raises:
            PumiceError: It cannot be loaded; nothing of it is left.
        """
        located = await asyncio.to_thread(self._sources.locate, settings)
        served = self._begin(settings, located, stats)
        fleet = self._fleets[served]
        self._watch(served, fleet)
        try:
            await fleet.until_complete()
            await served.until_ready()
        except BaseException:
            await self.stop(served)
            raise
        return served

    async def retire(self, served: ServedVersion) -> None:
        """End a version that is not in the catalog any more, when what it has taken is answered.

        If this is cancelled it is ended at once.
        """
        try:
            await served.drain(self._settings.drain_timeout)
        finally:
            await self.stop(served, "it was unloaded")

    async def stop(self, served: ServedVersion, why: str = "") -> None:
        """End a version at once.

        Args:
            served: The version.
            why: What those that wait for it are told; that the server stops, if left out.
        """
        await served.stop(ModelNotReady(served.name, why) if why else None)
        fleet = self._fleets.pop(served, None)
        if fleet is not None:
            await fleet.stop()

    def _watch(self, served: ServedVersion, fleet: Fleet) -> None:
        served.start()
        fleet.start(served.stats, self._pulse)

    def _begin(self, model: ModelSettings, located: Located, stats: VersionStats | None) -> ServedVersion:
        settings = self._settings
        served = ServedVersion(
            model, self._pulse, max_queue=settings.max_queue, cache_ttl=settings.cache_ttl, stats=stats
        )
        self._fleets[served] = start_fleet(settings, self._environ, model, located, served.told)
        return served


def start_fleet(
    settings: Settings,
    environ: dict[str, str],
    model: ModelSettings,
    located: Located,
    tell: Callable[[ReplicaNews], None],
) -> Fleet:
    """Start the replicas of a version; they load from here on.

    Args:
        settings: All settings.
        environ: The environment that replicas get.
        model: How it is served, every value filled.
        located: Its files and its manifest; closed when its last replica has ended.
        tell: Told of every change of a replica.

    Raises:
        BadSetting: It demands a sandbox that this system does not enforce.
    """
    held = located.held
    assert model.replicas is not None and model.provider is not None  # noqa: S101, PT018 - filled by of_model
    threads = model.threads or max(1, _cores() // model.replicas)

    if model.sandbox == "required":
        _demand_sandbox(model.name)

    def spawn(number: int) -> WorkerProcess:
        del number  # all are alike
        spec = WorkerSpec(
            name=model.name,
            version=model.version,
            source=model.source,
            path=str(located.path) if located.path else "",
            manifest=located.manifest,
            threads=threads,
            provider=model.provider or "auto",
            device=model.device,
            confined=model.sandbox != "off",
            network=model.network,
            hidden=(str(settings.home_path),),
            memory_limit=model.memory_limit or 0,
            trust=model.trust,
            files=tuple(file.path for file in held.files) if held else None,
            sealed=held is not None and held.sealed,
        )
        return WorkerProcess(spec, environ, [file.fd for file in held.files] if held else ())

    try:
        return Fleet(f"{model.name}/{model.version}", model.replicas, spawn, tell, settings.load_timeout, located.close)
    except BaseException:
        located.close()
        raise


def _demand_sandbox(model: str) -> None:
    """Refuse to serve a model where the system does not enforce all of the sandbox.

    Raises:
        BadSetting: Something is missing here.
    """
    missing = [measure.by for measure in MEASURES if not offered()[measure.name]]
    if missing:
        raise BadSetting(f"model '{model}': 'sandbox'", "'required'", f"'auto' here; missing: {', '.join(missing)}")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
