"""Tells whoever watches how the race stands, not more often than anybody can see."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from pumice.optimize.progress import RaceView, Watch
from pumice.optimize.race.contender import Contender

_BETWEEN_S = 0.1

DONE = "done"
"""The last step."""


class Telling:
    """Makes pictures of the race.

    Args:
        watch: Told of them.
        contenders: All variants.
        total: Examples of the certification.
        base_bytes: Size of the base (bytes).
        clock: Tells the time (s).
    """

    def __init__(
        self,
        watch: Watch,
        contenders: Sequence[Contender],
        total: int,
        base_bytes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._watch = watch
        self._contenders = sorted(contenders, key=lambda contender: contender.name)
        self._total = total
        self._base_bytes = base_bytes
        self._clock = clock
        self._last = -_BETWEEN_S
        self._step = ""
        self.done = 0

    def step(self, name: str) -> None:
        """Say what is done from now on."""
        self._step = name
        self.tell(now=name == DONE)

    def tell(self, *, now: bool = False) -> None:
        """Show a picture, unless the last one is fresh.

        Args:
            now: Show it anyhow.
        """
        if now or self._clock() - self._last >= _BETWEEN_S:
            views = [contender.view(self._base_bytes) for contender in self._contenders]
            self._watch(RaceView(self._step, self.done, self._total, views))
            self._last = self._clock()
