"""One timer for all that has to be looked at again and again in a process, however many models it serves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

LOOK_EVERY = 0.1
"""How often running calls are held against their limit (s)."""

Look = Callable[[float], None]
"""Called with the monotonic clock (s); it must not raise."""


class Pulse:
    """Calls all looks every `LOOK_EVERY` seconds, in the running loop; there is no timer while there is none."""

    def __init__(self) -> None:
        self._looks: list[Look] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(self, look: Look) -> None:
        """Call this one too from now on."""
        self._looks.append(look)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LOOK_EVERY, self._beat)

    def remove(self, look: Look) -> None:
        """Do not call it any more; does nothing if it is not called."""
        if look in self._looks:
            self._looks.remove(look)

    def _beat(self) -> None:
        self._timer = None
        if not self._looks:
            return
        self._timer = asyncio.get_running_loop().call_later(LOOK_EVERY, self._beat)
        now = time.monotonic()
        for look in tuple(self._looks):
            look(now)
