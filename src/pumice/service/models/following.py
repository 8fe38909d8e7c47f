"""Models whose source is an alias of the store: when it moves, the served version is exchanged.

The alias is looked at some thirty times a second; that costs one question to SQLite, which answers from memory. The
version that it points to is loaded and checked beside the one that serves, and takes its place within one turn of the
event loop. If it cannot be loaded, nothing changes, and it is tried again after a while.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from typing import Protocol

from pumice.domain.errors import PumiceError
from pumice.domain.store.names import Ref

_log = logging.getLogger("pumice.models")

_LOOK_FOR_MODELS_S = 1.0
"""How often it is looked whether there is a model to follow, while there is none (s)."""

_FIRST_PAUSE_S = 5.0
_LONGEST_PAUSE_S = 300.0
"""Longest wait before a version that could not be loaded is tried again (s)."""


class AliasWatch(Protocol):
    """Tells where aliases point."""

    async def look(self, aliases: Collection[Ref]) -> Mapping[Ref, int]:
        """Return what changed since the last look, or may have.

        Args:
            aliases: Those that are followed.

        Raises:
            PumiceError: The store cannot be read.
        """

    async def pause(self) -> None:
        """Wait until it is time for the next look."""

    async def close(self) -> None:
        """Look no more."""


class Follower:
    """Follows the aliases of one server.

    Args:
        followed: Names of models that follow aliases, with these.
        swap: Has a model serve what its aliases point to, which it is told; tried again when it failed.
        open_watch: Makes what tells where they point; called in a thread, when there is something to follow.
        spawn: Does something that ends with the server at the latest.
    """

    def __init__(
        self,
        followed: Callable[[], Mapping[str, Collection[Ref]]],
        swap: Callable[[str, Mapping[Ref, int]], Awaitable[None]],
        open_watch: Callable[[], AliasWatch],
        spawn: Callable[[Coroutine[object, object, None]], object],
    ) -> None:
        self._followed = followed
        self._swap = swap
        self._open_watch = open_watch
        self._spawn = spawn
        self._seen: dict[Ref, int] = {}
        self._moved: dict[str, asyncio.Event] = {}
        self._blind = False

    async def run(self) -> None:
        """Follow until this is cancelled."""
        watch: AliasWatch | None = None
        try:
            while True:
                followed = self._followed()
                if not followed:
                    await asyncio.sleep(_LOOK_FOR_MODELS_S)
                    continue
                if watch is None:
                    watch = await asyncio.to_thread(self._open_watch)
                await self._look(watch, followed)
                await watch.pause()
        finally:
            if watch is not None:
                await watch.close()

    async def _look(self, watch: AliasWatch, followed: Mapping[str, Collection[Ref]]) -> None:
        try:
            pointed = await watch.look({ref for refs in followed.values() for ref in refs})
        except PumiceError as error:
            if not self._blind:
                _log.error("aliases cannot be looked at; what is served stays", extra={"problem": error.message})
            self._blind = True
            return
        self._blind = False
        moved = {ref for ref, version in pointed.items() if self._seen.get(ref) != version}
        self._seen.update(pointed)
        for name, refs in followed.items():
            if not moved.isdisjoint(refs):
                self._tell(name)

    def _tell(self, name: str) -> None:
        event = self._moved.get(name)
        if event is None:
            event = self._moved[name] = asyncio.Event()
            self._spawn(self._keep_in_step(name, event))
        event.set()

    async def _keep_in_step(self, name: str, moved: asyncio.Event) -> None:
        """Exchange what a model serves whenever its alias has moved; one exchange after the other."""
        pause: float | None = None
        while True:
            try:
                async with asyncio.timeout(pause):
                    await moved.wait()
                pause = None
            except TimeoutError:
                pass  # what failed is tried again
            moved.clear()
            try:
                await self._swap(name, self._seen)
                pause = None
            except PumiceError as error:
                pause = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S if pause is None else pause * 2)
                told = {"model": name, "problem": error.message, "again_in_seconds": pause}
                _log.error("the alias moved, but its version cannot be served; what was served stays", extra=told)
