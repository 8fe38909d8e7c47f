"""Versions that an alias has left: they stay in memory for a while, so that the way back is at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence

from pumice.service.models.entry import UNLOADED, Entry


class Warm:
    """Of each model the versions that its alias left last; nobody is given them.

    Args:
        seconds: How long they stay (s).
        end: Ends one.
        spawn: Does something that ends with the server at the latest.
    """

    def __init__(
        self,
        seconds: float,
        end: Callable[[Entry, str], Coroutine[object, object, None]],
        spawn: Callable[[Coroutine[object, object, None]], object],
    ) -> None:
        self._seconds = seconds
        self._end = end
        self._spawn = spawn
        self._kept: dict[str, list[Entry]] = {}

    def entries(self) -> list[Entry]:
        """All of them."""
        return [entry for kept in self._kept.values() for entry in kept]

    def keep(self, name: str, entries: Sequence[Entry]) -> None:
        """Keep versions that are not served any more; those that were kept of this model end."""
        before = self.release(name)
        if self._seconds:
            self._kept[name] = kept = [entry for entry in entries if entry.served is not None]
            for entry in kept:
                entry.warm = True
                asyncio.get_running_loop().call_later(self._seconds, self._cool, name, entry, entry.served)
        else:
            before = [*before, *entries]
        for entry in before:
            self._spawn(self._end(entry, UNLOADED))

    def find(self, name: str, version: str) -> Entry | None:
        """A version that is to be served again, if it is still here and can answer."""
        for entry in self._kept.get(name, ()):
            if entry.settings.version == version and entry.served is not None and entry.served.ready:
                return entry
        return None

    def forget(self, entry: Entry) -> bool:
        """Keep a version no longer, and leave its end to the caller; whether it was kept."""
        kept = self._kept.get(entry.settings.name, [])
        if entry not in kept:
            return False
        kept.remove(entry)
        entry.warm = False
        return True

    def release(self, name: str) -> list[Entry]:
        """Keep nothing of a model any longer, and leave the end of what was kept to the caller."""
        return self._kept.pop(name, [])

    def _cool(self, name: str, entry: Entry, served: object) -> None:
        # one that was served again and left again has a time of its own
        if entry in self._kept.get(name, ()) and entry.served is served:
            self.forget(entry)
            self._spawn(self._end(entry, UNLOADED))
