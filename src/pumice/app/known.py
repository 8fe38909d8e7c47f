"""What a front knows of versions: their counters outlive their times in memory, and not by much for ever."""

from __future__ import annotations

from collections.abc import Collection

from pumice.config import ModelSettings
from pumice.service.models import Entry

MOST_GONE = 1000
"""Versions that are not served any more whose counters are kept, should they come back; of more, the oldest go."""

Name = tuple[str, str]
"""A model and its version."""


class Known:
    """The versions that a front has served, or serves."""

    def __init__(self) -> None:
        self._entries: dict[Name, Entry] = {}

    def __len__(self) -> int:
        """Versions that are known."""
        return len(self._entries)

    def entry(self, settings: ModelSettings) -> Entry:
        """What is known of a version; begun if it is new."""
        name = settings.name, settings.version
        if name not in self._entries:
            self._entries[name] = Entry(settings)
        return self._entries[name]

    def forget_long_gone(self, used: Collection[Name]) -> None:
        """Forget versions that are not among those in use, beyond the number that is kept."""
        gone = [name for name in self._entries if name not in used]
        for name in gone[: max(len(gone) - MOST_GONE, 0)]:
            del self._entries[name]
