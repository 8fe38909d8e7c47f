"""How much a confined process may take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds of one run.

    Attributes:
        seconds: Longest time by the clock.
        memory: Most memory of its own (bytes).
        written: Most space of what it writes (bytes).
        files: Most files that it writes.
        threads: Most threads.
    """

    seconds: float = 600.0
    memory: int = 4 << 30
    written: int = 4 << 30
    files: int = 10_000
    threads: int = 256
