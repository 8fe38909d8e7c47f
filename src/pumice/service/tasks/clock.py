"""The times that tasks need, so that tests can turn the hands."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Wall clock, monotonic clock and sleep."""

    def now(self) -> float:
        """Seconds since 1970: for what outlives the process."""

    def monotonic(self) -> float:
        """Seconds on the clock of `pumice.domain.request.InferRequest.deadline`."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds on the monotonic clock."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


def ahead(clock: Clock) -> float:
    """How far the wall clock is ahead of the monotonic clock (s)."""
    return clock.now() - clock.monotonic()
