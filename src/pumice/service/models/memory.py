"""Who may be in memory: room is made for a version by putting the longest idle ones to sleep."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from pathlib import Path

from pumice.domain.errors import BadSetting
from pumice.service.models.entry import Entry

_log = logging.getLogger("pumice.models")

_LOOK_AGAIN = 0.02
"""How often it is looked for a version that has become idle, while one waits for room (s)."""

_PATIENCE = 1.0
"""How long one waits for a version to become idle, before the one that was in memory longest has to go (s)."""

SMAPS = "smaps_rollup"
"""File of ``/proc/PID`` that tells the memory of a process in one line a kind."""


class Room:
    """Keeps the versions in memory within the budget.

    Args:
        budget: Memory that their replicas may take (bytes); 0: no limit.
        most: How many there may be; 0: no limit.
        entries: Gives all versions that the server knows.
        evict: Puts a version to sleep.

    Raises:
        BadSetting: There is a budget, and the system does not tell what a process takes.
    """

    def __init__(
        self,
        budget: int,
        most: int,
        entries: Callable[[], Collection[Entry]],
        evict: Callable[[Entry], Awaitable[None]],
    ) -> None:
        if budget and not Path("/proc/self", SMAPS).exists():
            raise BadSetting("memory_budget", str(budget), f"0 on a system without /proc/PID/{SMAPS}; use max_loaded")
        self._budget = budget
        self._most = most
        self._entries = entries
        self._evict = evict
        self._one_at_a_time = asyncio.Lock()
        self._told = False

    @property
    def bounded(self) -> bool:
        """Whether there is a limit at all."""
        return bool(self._budget or self._most)

    @property
    def over(self) -> bool:
        """Whether more is in memory than may be."""
        if self._most and len(self._in_memory()) > self._most:
            return True
        return bool(self._budget) and self._used() > self._budget

    async def reserve(self, entry: Entry) -> None:
        """Wait until a version has room, and keep it for it."""
        if not self.bounded:
            return
        async with self._one_at_a_time:
            patient_until = time.monotonic() + _PATIENCE
            while not self._fits(entry):
                victim = self._idlest() or (self._longest_in() if time.monotonic() > patient_until else None)
                if victim is not None:
                    await self._evict(victim)
                elif not any(other.served or other.reserved for other in self._entries()):
                    break  # it alone is larger than the budget; there is nothing that could still go
                else:
                    await asyncio.sleep(_LOOK_AGAIN)
            entry.reserved = True

    async def measure(self, entries: Iterable[Entry]) -> None:
        """Read what replicas take, in a thread: the kernel adds up every page for it."""
        if not self._budget:
            return
        asked = [(entry, [replica.pid for replica in entry.served.replicas]) for entry in entries if entry.served]
        told = await asyncio.to_thread(lambda: [sum(map(proportional_bytes, pids)) for _, pids in asked])
        for (entry, _), nbytes in zip(asked, told, strict=True):
            entry.nbytes = nbytes or entry.nbytes

    async def tend(self) -> None:
        """Measure all, and put idle ones to sleep until the rest is within the budget; the last one stays."""
        if not self._budget:
            return
        await self.measure(self._entries())
        async with self._one_at_a_time:
            while self._used() > self._budget and len(self._in_memory()) > 1:
                victim = self._idlest()
                if victim is None:
                    break
                await self._evict(victim)
        over = self._used() > self._budget
        if over and not self._told:
            _log.warning("over the memory budget", extra={"bytes": self._used(), "budget": self._budget})
        self._told = over

    def _fits(self, entry: Entry) -> bool:
        others = [other for other in self._in_memory() if other is not entry]
        if self._most and len(others) >= self._most:
            return False
        return not self._budget or self._used() + (0 if entry.served else self._likely(entry)) <= self._budget

    def _in_memory(self) -> Sequence[Entry]:
        return [entry for entry in self._entries() if entry.served is not None or entry.reserved]

    def _used(self) -> int:
        return sum(self._likely(entry) for entry in self._in_memory())

    def _likely(self, entry: Entry) -> int:
        """What a version takes: measured, or like the others until it was."""
        if entry.nbytes:
            return entry.nbytes
        known = [other.nbytes for other in self._entries() if other.nbytes]
        return sum(known) // len(known) if known else 0

    def _idlest(self) -> Entry | None:
        idle = [entry for entry in self._entries() if entry.idle]
        return min(idle, key=lambda entry: entry.served.last_used if entry.served else 0.0, default=None)

    def _longest_in(self) -> Entry | None:
        return min(
            (entry for entry in self._entries() if entry.may_go), key=lambda entry: entry.loaded_at, default=None
        )


def proportional_bytes(pid: int) -> int:
    """Memory of a process, pages that it shares with others counted in part (PSS, bytes); 0 if it is gone."""
    try:
        for line in Path(f"/proc/{pid}", SMAPS).read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except PermissionError:
        return _resident_bytes(pid)  # a sandbox forbids the look; what is resident is more, so still within the budget
    except OSError:
        pass
    return 0


def _resident_bytes(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0
