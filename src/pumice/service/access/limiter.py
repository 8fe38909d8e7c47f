"""How often callers may ask: tokens are drawn from shared buckets, a few at a time.

The buckets are shared by all front processes of a host (`pumice.service.access.buckets`) or by several gateways
(`pumice.service.access.redis`). Going there for every request would cost more than the rest of the door, so a process
draws a lease: up to 1/50 s worth of tokens, at most 1/8 of the burst, which it must use within a second. No more is
ever let through than the buckets gave.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from pumice.domain.access import Principal, Rate
from pumice.domain.errors import RateLimited

LEASE_S = 1.0
"""How long drawn tokens are good (s)."""

MOST_LEASES = 10_000
"""Callers whose leases are remembered."""


class Buckets(Protocol):
    """Token buckets that are near: asking them does not wait."""

    def draw(self, caller: str, rate: Rate, wanted: int, now: float) -> tuple[int, float]:
        """Take up to so many tokens; returns those taken, and the time until the next is there (s)."""


class RemoteBuckets(Protocol):
    """Token buckets over a network."""

    async def draw(self, caller: str, rate: Rate, wanted: int) -> tuple[int, float]:
        """Take up to so many tokens; returns those taken, and the time until the next is there (s)."""

    async def close(self) -> None:
        """Hang up."""


class Lease:
    """What one process holds of one caller's tokens.

    Args:
        caller: Who it is.
        rate: How often it may ask.
    """

    __slots__ = ("caller", "chunk", "closed_until", "drawing", "good_until", "left", "rate", "waiting")

    def __init__(self, caller: str, rate: Rate) -> None:
        self.caller = caller
        self.rate = rate
        self.chunk = max(1, min(int(rate.per_second / 50), rate.burst // 8))
        self.left = 0
        self.good_until = 0.0
        self.closed_until = 0.0
        self.waiting = 0
        self.drawing: asyncio.Task[None] | None = None

    def take(self, now: float) -> bool:
        """Use a token that was drawn before, if there is one.

        Args:
            now: The monotonic clock (s).

        Raises:
            RateLimited: The buckets have said that there is none yet.
        """
        if self.left > 0 and now < self.good_until:
            self.left -= 1
            return True
        if now < self.closed_until:
            raise RateLimited(self.caller, self.rate.per_second, self.rate.burst, self.closed_until - now)
        return False

    def fill(self, given: int, wait: float, now: float) -> None:
        """Note what the buckets gave."""
        self.left = given
        self.good_until = now + LEASE_S
        self.closed_until = now + wait


class Limiter:
    """Lets callers through as often as their rates say.

    Args:
        near: Buckets of this host.
        far: Buckets of several gateways; they are asked instead if given.
        clock: The monotonic clock (s).
    """

    def __init__(
        self, near: Buckets, far: RemoteBuckets | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._near = near
        self._far = far
        self._clock = clock
        self._leases: OrderedDict[tuple[str, Rate], Lease] = OrderedDict()

    def lease_of(self, principal: Principal) -> Lease | None:
        """What this process holds for a caller; None if nothing limits it."""
        rate = principal.rate
        if rate is None:
            return None
        known = (principal.caller, rate)
        lease = self._leases.get(known)
        if lease is None:
            lease = self._leases[known] = Lease(*known)
            if len(self._leases) > MOST_LEASES:
                self._leases.popitem(last=False)
        else:
            self._leases.move_to_end(known)
        return lease

    def take(self, lease: Lease, now: float) -> bool:
        """Let one request through; False if that takes a while: ask `wait`.

        Args:
            lease: The caller's.
            now: The monotonic clock (s).

        Raises:
            RateLimited: The caller has used up what it may.
        """
        if lease.take(now):
            return True
        if self._far is not None:
            return False
        lease.fill(*self._near.draw(lease.caller, lease.rate, lease.chunk, now), now)
        return lease.take(now)

    async def wait(self, lease: Lease) -> None:
        """Let one request through, however long the buckets take to answer.

        Those who wait meanwhile share one question to the buckets.

        Raises:
            RateLimited: The caller has used up what it may.
        """
        while not self.take(lease, self._clock()):
            if lease.drawing is None:
                lease.drawing = asyncio.create_task(self._draw(lease))
            lease.waiting += 1
            try:
                await asyncio.shield(lease.drawing)
            finally:
                lease.waiting -= 1

    async def _draw(self, lease: Lease) -> None:
        assert self._far is not None  # noqa: S101 - take() asks the near ones itself
        try:
            await asyncio.sleep(0)  # who comes in this turn of the loop is counted too
            wanted = max(lease.chunk, lease.waiting)
            lease.fill(*await self._far.draw(lease.caller, lease.rate, wanted), self._clock())
        finally:
            lease.drawing = None

    async def close(self) -> None:
        """Let go of the buckets."""
        if self._far is not None:
            await self._far.close()
