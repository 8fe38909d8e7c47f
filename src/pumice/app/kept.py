"""The versions in memory as the parent of several fronts sees them: their replicas, and how the fronts use them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator, Sequence

from pumice.app.channel import Channel
from pumice.app.fronts import Fronts
from pumice.app.launcher import start_fleet
from pumice.app.messages import Attached, End, News, Retire, Serve, ToParent, Use
from pumice.config import ModelSettings, Settings
from pumice.observe.report import ReplicaReport, VersionReport, to_plain
from pumice.observe.stats import VersionStats
from pumice.runtime.front.fleet import Fleet
from pumice.runtime.front.news import ReplicaNews
from pumice.runtime.front.pulse import Pulse
from pumice.runtime.front.version import ServedVersion
from pumice.service.sources import Located, Sources


class Kept(ServedVersion):
    """A version whose replicas the parent keeps. It is asked through the fronts, never here.

    Args:
        key: Counts the versions that were ever started.
        settings: How it is served, every value filled.
        stats: What the parent itself counts of it.

    Attributes:
        key: Counts the versions that were ever started.
        settings: How it is served.
        leaving: Whether fronts are not to be told of it any more.
    """

    def __init__(self, key: int, settings: ModelSettings, stats: VersionStats | None) -> None:
        super().__init__(settings, Pulse(), max_queue=0, cache_ttl=0, stats=stats)
        self.key = key
        self.settings = settings
        self.leaving = False
        self._waiting: dict[int, int] = {}

    @property
    def inflight(self) -> int:
        """Requests that waited or ran when the fronts told last."""
        return sum(self._waiting.values())

    def told(self, news: ReplicaNews) -> None:
        """Remember what a keeper tells of one of the replicas."""
        self.replicas[news.number].news = news
        self.profile = news.profile or self.profile

    def used(self, front: int, use: Use) -> None:
        """Remember what a front tells of its use."""
        self.last_used = max(self.last_used, use.last_used)
        self._waiting[front] = use.inflight

    def forget(self, front: int) -> None:
        """A front is gone, and what it had taken with it."""
        self._waiting.pop(front, None)


def own_report(served: ServedVersion) -> VersionReport:
    """What the parent knows of a version."""
    replicas = tuple(ReplicaReport(replica.name, str(replica.state), replica.pid) for replica in served.replicas)
    return VersionReport(served.name, served.version, to_plain(served.stats), replicas=replicas)


class KeptLauncher:
    """The replicas of a server of several fronts; see `pumice.service.models.Launcher`.

    Args:
        settings: All settings.
        environ: The environment that replicas get.
        fronts: Told of every version, so that they can be asked for it.
        sources: Finds the models' files.
    """

    def __init__(self, settings: Settings, environ: dict[str, str], fronts: Fronts, sources: Sources) -> None:
        self._settings = settings
        self._environ = environ
        self._fronts = fronts
        self._sources = sources
        self._pulse = Pulse()
        self._keys = itertools.count(1)
        self._fleets: dict[Kept, Fleet] = {}

    # -- before there is a loop

    def begin(self, model: ModelSettings) -> Kept:
        """Start a version's replicas; they load while the fronts start. `watch` is next.

        Args:
            model: How it is served, every value filled.

        Raises:
            PumiceError: Its source or settings cannot be used.
        """
        return self._begin(model, self._sources.locate(model), None)

    def watch(self) -> None:
        """Look after what was begun, in the running loop."""
        for kept, fleet in self._fleets.items():
            fleet.start(kept.stats, self._pulse)

    async def until_ready(self) -> None:
        """Wait until a replica of every version that was begun is ready.

        Raises:
            PumiceError: One cannot be loaded.
        """
        await asyncio.gather(*(fleet.until_ready() for fleet in self._fleets.values()))

    # -- while serving

    def present(self) -> Iterator[Kept]:
        """The versions that a new front has to know."""
        return (kept for kept in self._fleets if not kept.leaving)

    def introduce(self, channel: Channel[ToParent]) -> None:
        """Tell a new front of all of them."""
        for kept in self.present():
            channel.tell(Serve(kept.key, kept.settings))
            for replica in kept.replicas:
                channel.tell(News(kept.key, replica.news))

    def used(self, front: int, uses: Sequence[Use]) -> None:
        """Remember how a front uses them."""
        by_key = {kept.key: kept for kept in self._fleets}
        for use in uses:
            if use.key in by_key:
                by_key[use.key].used(front, use)

    def forget(self, front: int) -> None:
        """A front is gone."""
        for kept in self._fleets:
            kept.forget(front)

    async def launch(self, settings: ModelSettings, stats: VersionStats) -> ServedVersion:
        """Start a version's replicas and look after them; return when all fronts can ask all of them.

        Args:
            settings: How it is served, every value filled.
            stats: The parent's counters, which go on from an earlier time in memory.

        Raises:
            PumiceError: It cannot be loaded; nothing of it is left.
        """
        located = await asyncio.to_thread(self._sources.locate, settings)
        kept = self._begin(settings, located, stats)
        fleet = self._fleets[kept]
        self._fronts.tell(Serve(kept.key, settings))
        fleet.start(kept.stats, self._pulse)
        try:
            await fleet.until_complete()
            await self._fronts.ask_all(Attached([kept.key]))
        except BaseException:
            await self.stop(kept)
            raise
        return kept

    async def retire(self, served: ServedVersion) -> None:
        """End a version that is not in the catalog any more, when every front has answered what it took.

        If this is cancelled it is ended at once.
        """
        assert isinstance(served, Kept)  # noqa: S101 - `launch` made it
        served.leaving = True
        try:
            await self._fronts.ask_all(Retire(served.key))
        finally:
            await self.stop(served, "it was unloaded")

    async def stop(self, served: ServedVersion, why: str = "") -> None:
        """End a version at once.

        Args:
            served: The version.
            why: What those that wait for it are told; that the server stops, if left out.
        """
        assert isinstance(served, Kept)  # noqa: S101 - `launch` made it
        self._fronts.tell(End(served.key, why))
        fleet = self._fleets.pop(served, None)
        if fleet is not None:
            await fleet.stop()

    def _begin(self, model: ModelSettings, located: Located, stats: VersionStats | None) -> Kept:
        kept = Kept(next(self._keys), model, stats)

        def tell(news: ReplicaNews) -> None:
            kept.told(news)
            self._fronts.tell(News(kept.key, news))

        self._fleets[kept] = start_fleet(self._settings, self._environ, model, located, tell)
        return kept
