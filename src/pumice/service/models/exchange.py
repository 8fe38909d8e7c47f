"""A model's versions are exchanged because the alias that it follows has moved."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from pumice.config import ModelSettings
from pumice.domain.errors import PumiceError
from pumice.domain.store.names import Ref
from pumice.observe.stats import VersionStats
from pumice.service.models.entry import UNLOADED, Entry, ModelState
from pumice.service.models.plan import Plans
from pumice.service.models.residents import Residents

_log = logging.getLogger("pumice.models")


class Bring(Protocol):
    """Has versions in memory beside those that are served."""

    def __call__(self, name: str, versions: Sequence[ModelSettings], *, beside: bool) -> Awaitable[list[Entry]]:
        """Bring them.

        Raises:
            PumiceError: One cannot be loaded; nothing of any is left.
        """


class Exchange:
    """Exchanges the versions of models.

    Args:
        residents: The versions that the server knows.
        plans: What the models' sources name.
        admit: Refuses versions that may not be loaded; it looks at files.
        bring: Has versions in memory.

    Attributes:
        stuck: Name of a model -> the version that it should serve and cannot, with the reason.
        past: Name and version -> counters of versions that an alias has left; they go on when it comes back.
    """

    def __init__(
        self,
        residents: Residents,
        plans: Plans,
        admit: Callable[[str, Sequence[ModelSettings]], None],
        bring: Bring,
    ) -> None:
        self.stuck: dict[str, ModelState] = {}
        self.past: dict[tuple[str, str], VersionStats] = {}
        self._residents = residents
        self._plans = plans
        self._admit = admit
        self._bring = bring

    async def follow(self, name: str, pointed: Mapping[Ref, int]) -> None:
        """Have a model serve what its aliases point to.

        Args:
            name: Name of the model.
            pointed: Aliases with the versions that they point to.

        Raises:
            PumiceError: It cannot; what was served still is.
        """
        async with self._residents.lock(name):
            known = self._residents.known.get(name, {})
            before = {number: entry for number, entry in known.items() if entry.reason != UNLOADED}
            if not before:
                return  # it was unloaded; a load has it follow again
            wanted: dict[str, ModelSettings] = {}
            try:
                wanted = {settings.version: settings for settings in await self._plans.renewed(name, pointed)}
                come = await self._come(name, [wanted[number] for number in wanted.keys() - before.keys()], before)
            except PumiceError as error:
                for entry in before.values():
                    entry.stats.swaps["failed"] += 1
                meant = ", ".join(wanted.keys() - before.keys()) or "?"
                self.stuck[name] = ModelState(name, meant, "UNAVAILABLE", error.message)
                raise
            self.stuck.pop(name, None)
            if wanted.keys() != before.keys():
                self._serve(name, {number: before.get(number) or come[number] for number in wanted})

    async def _come(self, name: str, new: Sequence[ModelSettings], before: Mapping[str, Entry]) -> dict[str, Entry]:
        """Have versions in memory beside those that are served, or asleep as they are."""
        come: dict[str, Entry] = {}
        warm = self._residents.warm
        while missing := [one for one in new if one.version not in come and not warm.find(name, one.version)]:
            await asyncio.to_thread(self._admit, name, missing)
            if any(entry.served for entry in before.values()):
                brought = await self._bring(name, missing, beside=True)
            else:
                brought = [Entry(one, self.past.get((name, one.version))) for one in missing]
            come |= {entry.settings.version: entry for entry in brought}
        return come | {one.version: found for one in new if (found := warm.find(name, one.version)) is not None}

    def _serve(self, name: str, now: dict[str, Entry]) -> None:
        """Serve these versions in the place of those that were; within one turn of the loop."""
        before = self._residents.known[name]
        self._residents.known[name] = now
        for number in now.keys() - before.keys():
            self._residents.warm.forget(now[number])
            now[number].stats.swaps["done"] += 1
        self._residents.serve(name)
        gone = [entry for number, entry in before.items() if number not in now]
        self.past |= {(name, entry.settings.version): entry.stats for entry in gone}
        self._residents.warm.keep(name, gone)
        self._residents.make_do(name)
        _log.info("alias followed", extra={"model": name, "versions": list(now), "before": list(before)})
