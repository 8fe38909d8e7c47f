"""What a process uses, as the system tells."""

from __future__ import annotations

import os
import resource
from pathlib import Path

from pumice.observe.observed import ProcessUse

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def use_of(pid: int) -> ProcessUse | None:
    """What a process of the same user uses; None if it is gone or the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="latin-1").rpartition(")")[2].split()
        open_fds = len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - only their number
    except OSError:
        return None
    return ProcessUse(
        cpu_seconds=(int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND,
        resident_bytes=int(fields[21]) * _PAGE_BYTES,
        virtual_bytes=int(fields[20]),
        open_fds=open_fds,
        max_fds=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        start_seconds=0.0,
    )
