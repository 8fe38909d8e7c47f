"""The machine on which latencies are measured."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from pumice.engines.processor import this_processor

_BUSY = 0.7


def usable_cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine_told(root: Path = Path("/")) -> dict[str, str]:
    """What tells this machine from another, as far as latency depends on it.

    Args:
        root: Where ``proc`` is.
    """
    try:
        lines = (root / "proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    pairs = [(name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    name = next((value for name, value in pairs if name == "model name"), platform.processor() or "unknown")
    processor = this_processor(root)
    return {
        "processor": name,
        "architecture": processor.architecture,
        "features": ", ".join(processor.features) or "none known",
        "system": platform.system(),
        "cores": str(usable_cores()),
    }


def load_told() -> str:
    """How busy the machine is with other work, and whether that makes latencies scatter."""
    load, cores = os.getloadavg()[0], usable_cores()
    return f"{load:.1f} on {cores} cores{'; busy: latencies scatter' if load > _BUSY * cores else ''}"
