"""When the next request starts: at once (closed loop), or when it is due (open loop)."""

import random
from collections import deque
from typing import Protocol


class Pace(Protocol):
    """Says whether a free connection sends now. Times are seconds on the caller's clock."""

    @property
    def finished(self) -> bool:
        """No request will start any more."""

    def take(self, now: float) -> float | None:
        """Take the next request; returns when it was due, or None if none is due."""

    def due_in(self, now: float) -> float | None:
        """Seconds until a request falls due by itself; None if free connections alone set the pace."""

    def stop(self) -> int:
        """Let no more requests start; returns how many were due and had not started."""


class Closed:
    """A connection sends as soon as it is free.

    Args:
        limit: How many requests in all; None for no end.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._left = limit
        self.finished = False

    def take(self, now: float) -> float | None:
        """Start now, unless stopped or through."""
        if self.finished:
            return None
        if self._left is not None:
            self._left -= 1
            self.finished = self._left <= 0
        return now

    def due_in(self, now: float) -> float | None:  # noqa: ARG002
        """Never by itself."""
        return None

    def stop(self) -> int:
        """Let no more requests start; none was due."""
        self.finished = True
        return 0


class Open:
    """Requests fall due at Poisson times, whatever the server does; those that find no free connection wait.

    Args:
        rate: Requests a second.
        now: When the first interval begins.
        limit: How many requests in all; None for no end.
        seed: Makes the times repeatable.
    """

    def __init__(self, rate: float, now: float, limit: int | None = None, seed: int = 1) -> None:
        self._rate = rate
        self._random = random.Random(seed)  # noqa: S311 - arrival times, no secret
        self._waiting: deque[float] = deque()
        self._left = limit
        self._next = now + self._random.expovariate(rate)

    @property
    def finished(self) -> bool:
        """All have started, or it was stopped."""
        return self._left == 0 and not self._waiting

    def take(self, now: float) -> float | None:
        """Take the request that has waited longest."""
        self._arrive(now)
        return self._waiting.popleft() if self._waiting else None

    def due_in(self, now: float) -> float | None:
        """Seconds until the next request falls due."""
        self._arrive(now)
        return None if self._left == 0 else self._next - now

    def stop(self) -> int:
        """Let no more requests start; returns how many still waited for a connection."""
        self._left = 0
        waiting = len(self._waiting)
        self._waiting.clear()
        return waiting

    def _arrive(self, now: float) -> None:
        while self._next <= now and self._left != 0:
            self._waiting.append(self._next)
            self._next += self._random.expovariate(self._rate)
            if self._left is not None:
                self._left -= 1
