"""When a request is sent again, and after how long."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

RETRIED_STATUSES = frozenset({429, 502, 503})
"""Statuses that say "later"; 502 comes from a proxy whose server is just starting."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Time and chance, so that tests can set them.

    Attributes:
        monotonic: Seconds that only go forward.
        wall: Seconds since 1970, for dates in headers.
        chance: A number in [0, 1).
    """

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    chance: Callable[[], float] = random.random


@dataclass(frozen=True, slots=True)
class Retries:
    """How stubborn a client is.

    Attributes:
        most: Tries after the first one; 0: none.
        first_s: Wait before the first of them (s); it doubles from one to the next.
        longest_s: Longest wait that is chosen here (s). What a server asks for by ``Retry-After`` is always kept.
    """

    most: int = 3
    first_s: float = 0.1
    longest_s: float = 5.0

    def backoff(self, tried: int, chance: float) -> float:
        """Return the wait before the next try (s), between half and all of the doubled value.

        Args:
            tried: Tries made so far, at least 1.
            chance: A number in [0, 1) that keeps callers from coming back all at once.
        """
        return min(self.longest_s, self.first_s * 2.0 ** (tried - 1)) * (0.5 + chance / 2)


def retry_after(value: str, now: float) -> float | None:
    """Read a ``Retry-After`` header.

    Args:
        value: Seconds or an HTTP date.
        now: Seconds since 1970.

    Returns:
        Seconds to wait, at least 0; None if there is no such header or it cannot be read.
    """
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - now
        except ValueError:
            return None
    return max(0.0, seconds) if seconds < float("inf") else None
