"""One look at all connections a second, instead of timers for each of them and each of their requests."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Protocol

EVERY_S = 1.0
"""How far limits of time may be missed (s)."""


class Watched(Protocol):
    """A connection."""

    def look(self, now: float) -> None:
        """End it if it takes too long for what it does.

        Args:
            now: The loop's clock (s).
        """


class Sweep:
    """Looks while there are connections.

    Attributes:
        clock: The loop's clock as of the last look (s): exact enough for limits of seconds, and free.
    """

    def __init__(self) -> None:
        self.clock = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connections: Iterable[Watched] = ()

    def watch(self, loop: asyncio.AbstractEventLoop, connections: Iterable[Watched]) -> None:
        """Begin to look; does nothing while it does.

        Args:
            loop: The running loop.
            connections: All that are open; ends when none is.
        """
        if self._loop is not loop:
            self._loop = loop
            self._connections = connections
            self.clock = loop.time()
            loop.call_later(EVERY_S, self._tick)

    def _tick(self) -> None:
        loop = self._loop
        assert loop is not None  # noqa: S101 - `watch` has set it
        self.clock = now = loop.time()
        connections = list(self._connections)
        if connections:
            loop.call_later(EVERY_S, self._tick)  # first, so that nothing below can end it
        else:
            self._loop = None
        for connection in connections:
            connection.look(now)
