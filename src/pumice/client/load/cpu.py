"""CPU time of processes with all their descendants, read from Linux's `/proc`."""

import os
import time
from pathlib import Path
from typing import NamedTuple

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_PROCESS_CLOCK = 2
"""CPUCLOCK_SCHED in the kernel's posix-timers.h: what a whole process has run, in nanoseconds."""


class _Process(NamedTuple):
    parent: int
    own: float
    reaped: float
    """CPU seconds of children that ended and were waited for, and of theirs."""


class CpuMeter:
    """Measures the CPU time that process trees use from now on.

    A descendant that ended is counted through the parent that waited for it. Not counted: one that nobody in its tree
    waited for, and one that had left its tree (a daemon) before the meter was made. The process that measures is
    never counted.

    Args:
        roots: Process ids; each stands for itself and all its descendants.
    """

    def __init__(self, roots: tuple[int, ...]) -> None:
        self._roots = roots
        self._before = _trees(roots)

    def seconds(self) -> float:
        """CPU seconds since the meter was made; never negative."""
        after = _trees(self._roots)
        for pid in self._before.keys() - after.keys():
            left_the_tree = _read(pid)  # its parent died, so that another adopted it; or it is gone
            if left_the_tree is not None:
                after[pid] = left_the_tree
        return max(0.0, _total(after) - _total(self._before))


def _total(processes: dict[int, _Process]) -> float:
    return sum(process.own + process.reaped for process in processes.values())


def _trees(roots: tuple[int, ...]) -> dict[int, _Process]:
    everything = {int(entry.name): _read(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit()}
    living = {pid: process for pid, process in everything.items() if process is not None and pid != os.getpid()}
    children: dict[int, list[int]] = {}
    for pid, process in living.items():
        children.setdefault(process.parent, []).append(pid)
    found: dict[int, _Process] = {}
    waiting = [pid for pid in roots if pid in living]
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found[pid] = living[pid]
            waiting += children.get(pid, [])
    return found


def _read(pid: int) -> _Process | None:
    try:
        line = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:  # ended meanwhile
        return None
    fields = line.rpartition(b")")[2].split()
    user, system, reaped_user, reaped_system = (int(field) / _TICKS_A_SECOND for field in fields[11:15])
    try:
        own = time.clock_gettime((~pid << 3) | _PROCESS_CLOCK)
    except OSError:  # a zombie: what `stat` says, in ticks of 10 ms
        own = user + system
    return _Process(int(fields[1]), own, reaped_user + reaped_system)
