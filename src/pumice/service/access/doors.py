"""The door: tells who a caller is, whether it comes too often, and lets it in."""

from __future__ import annotations

import time
from collections.abc import Callable
from hashlib import sha256
from typing import Protocol

from pumice.domain.access import Principal
from pumice.domain.errors import Unauthenticated
from pumice.service.access.limiter import Lease, Limiter

ASK_AGAIN_S = 30.0
"""Longest that a face lets a caller in without asking again (s); so it is known, roughly, when a key was last used."""

MOST_SEEN = 10_000
"""Callers that are remembered; the digest of what they send stands for it, so that a look-up tells nothing of it."""

_BEARER = "bearer "


class Standing:
    """A caller as this process knows it; kept as long as it holds.

    Args:
        principal: Who it is.
        lease: What limits it.

    Attributes:
        epoch: Of the doors, when they said so.
        until: Moment from which they are asked again (s since 1970).
        runs: Names of models that it was seen to be allowed to run.
    """

    __slots__ = ("epoch", "lease", "principal", "runs", "until")

    def __init__(self, principal: Principal, lease: Lease | None = None) -> None:
        self.principal = principal
        self.lease = lease
        self.epoch = 0
        self.until = 0.0
        self.runs: set[str] = set()


class Identities(Protocol):
    """Those who may come in, by what they show.

    Attributes:
        epoch: Counted up whenever something that was told may not hold any more.
    """

    epoch: int

    def recognise(self, token: str) -> Principal | None:
        """Tell who shows this; None if that takes a while: ask `identify`.

        Raises:
            Unauthenticated: Nobody who may come in.
        """

    async def identify(self, token: str) -> Principal:
        """Tell who shows this.

        Raises:
            Unauthenticated: Nobody who may come in.
            Unavailable: Who could tell is not there.
        """

    async def start(self) -> None:
        """Get to know them, and stay up to date."""

    async def stop(self) -> None:
        """Let go of what was opened."""


class Doors:
    """What every face asks before it does anything.

    Args:
        identities: Those who may come in.
        limiter: How often they may.
        clock: Seconds since 1970.
    """

    def __init__(self, identities: Identities, limiter: Limiter, clock: Callable[[], float] = time.time) -> None:
        self._identities = identities
        self._limiter = limiter
        self._clock = clock
        self._seen: dict[bytes, Standing] = {}

    @property
    def epoch(self) -> int:
        """What was told under another number than this has to be asked again."""
        return self._identities.epoch

    def recognise(self, authorization: str) -> Standing | None:
        """Tell who sends this header; None if that takes a while: ask `enter`.

        Args:
            authorization: Value of ``Authorization``; empty if there is none.

        Raises:
            Unauthenticated: Nobody who may come in.
        """
        digest = sha256(authorization.encode(errors="surrogatepass")).digest()
        known = self._seen.get(digest)
        if known is not None and known.epoch == self._identities.epoch and self._clock() < known.until:
            return known
        principal = self._identities.recognise(bearer_of(authorization))
        if principal is None:
            return None
        if len(self._seen) >= MOST_SEEN:
            self._seen.clear()
        standing = self._seen[digest] = self._standing(principal)
        return standing

    def good_for(self, standing: Standing) -> float:
        """How long nobody needs to ask again, if the epoch does not change (s)."""
        return standing.until - self._clock()

    def admit(self, standing: Standing, now: float) -> bool:
        """Count one request of a caller; False if that takes a while: ask `admitted`.

        Args:
            standing: The caller.
            now: The monotonic clock (s).

        Raises:
            RateLimited: It comes too often.
        """
        lease = standing.lease
        return lease is None or self._limiter.take(lease, now)

    async def admitted(self, standing: Standing) -> None:
        """Count one request of a caller.

        Raises:
            RateLimited: It comes too often.
        """
        if standing.lease is not None:
            await self._limiter.wait(standing.lease)

    async def known(self, authorization: str) -> Standing:
        """Tell who sends this header.

        Raises:
            Unauthenticated: Nobody who may come in.
            Unavailable: Who could tell is not there.
        """
        token = bearer_of(authorization)
        return self._standing(self._identities.recognise(token) or await self._identities.identify(token))

    async def start(self) -> None:
        """Get to know who may come in."""
        await self._identities.start()

    async def stop(self) -> None:
        """Let go of what was opened."""
        await self._identities.stop()
        await self._limiter.close()

    def _standing(self, principal: Principal) -> Standing:
        standing = Standing(principal, self._limiter.lease_of(principal))
        standing.epoch = self._identities.epoch
        standing.until = min(self._clock() + ASK_AGAIN_S, principal.until)
        return standing


def bearer_of(authorization: str) -> str:
    """Return the token in an ``Authorization`` header (RFC 6750).

    Raises:
        Unauthenticated: There is none.
    """
    if not authorization:
        raise Unauthenticated("no key was sent")
    if authorization[: len(_BEARER)].lower() != _BEARER:
        raise Unauthenticated("the header 'Authorization' is not of the kind 'Bearer'", shown=True)
    return authorization[len(_BEARER) :].strip()
