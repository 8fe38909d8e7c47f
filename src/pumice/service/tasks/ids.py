"""Ids of tasks: UUIDs of version 7 (RFC 9562), whose order is the order of acceptance."""

from __future__ import annotations

import os
import struct
import uuid
from collections.abc import Iterator

_BLOCK = struct.Struct("<512Q")


def _random() -> Iterator[int]:
    """Random numbers of 64 bits. The system is asked for 512 at once: a call lets go of the GIL and costs 20 us."""
    while True:
        yield from _BLOCK.unpack(os.urandom(_BLOCK.size))


class Ids:
    """Makes the ids of one gateway: each sorts after those before it, whatever the clock does."""

    def __init__(self) -> None:
        self._noise = _random()
        self._last = 0

    def new(self, now: float) -> str:
        """Make an id.

        Args:
            now: The time (s since 1970).
        """
        # 48 bits of milliseconds, the version, 12 bits that count (and carry over), the variant, 62 random bits
        self._last = max(_milliseconds(now) << 12, self._last + 1)
        return _uuid(self._last >> 12, self._last & 0xFFF, next(self._noise) >> 2)


def least_id(at: float) -> str:
    """The least id that can be made at a moment (s since 1970); what was made before it sorts before it."""
    return _uuid(_milliseconds(at), 0, 0)


def _milliseconds(at: float) -> int:
    return max(int(at * 1000), 0) & 0xFFFF_FFFF_FFFF


def _uuid(milliseconds: int, count: int, noise: int) -> str:
    return str(uuid.UUID(int=milliseconds << 80 | 7 << 76 | count << 64 | 2 << 62 | noise))
