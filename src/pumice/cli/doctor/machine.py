"""Processors, memory and graphics cards, as Linux tells them."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

import msgspec

from pumice.domain.processor import features_of

_NVIDIA_S = 10.0
"""Longest wait for the graphics driver (s)."""


class Gpu(msgspec.Struct, frozen=True):
    """A graphics card.

    Attributes:
        name: Its name.
        memory_bytes: Its memory (bytes).
        driver: Version of its driver.
    """

    name: str
    memory_bytes: int
    driver: str


class Machine(msgspec.Struct, frozen=True):
    """What the hardware offers.

    Attributes:
        system: Operating system and its release.
        architecture: Of the processor.
        processor: Its name.
        cores: Logical processors of the machine.
        usable_cores: Those that this process may use, after affinity and the container's limit.
        features: What the processor can do, of `pumice.domain.processor.FEATURES`.
        lacking: What it cannot do, of those of its architecture.
        memory_bytes: Memory that this process may use at all (bytes), after the container's limit.
        available_bytes: Memory that is free now (bytes).
        gpus: Graphics cards whose driver answers.
    """

    system: str
    architecture: str
    processor: str
    cores: int
    usable_cores: float
    features: tuple[str, ...]
    lacking: tuple[str, ...]
    memory_bytes: int
    available_bytes: int
    gpus: tuple[Gpu, ...]


def look_at_machine(root: Path = Path("/")) -> Machine:
    """Find out what the hardware offers.

    Args:
        root: Where ``proc`` and ``sys`` are.
    """
    cpu = _pairs(root / "proc/cpuinfo")
    memory = _pairs(root / "proc/meminfo")
    total = _kibibytes(memory.get("MemTotal", ""))
    limit = _number(_text(root / "sys/fs/cgroup/memory.max"))
    available = _kibibytes(memory.get("MemAvailable", ""))
    used = _number(_text(root / "sys/fs/cgroup/memory.current"))
    if limit is not None and limit < total:
        total, available = limit, min(available, max(limit - (used or 0), 0))
    architecture = platform.machine()
    features, lacking = features_of(architecture, cpu.get("flags", cpu.get("Features", "")))
    return Machine(
        system=f"{platform.system()} {platform.release()}",
        architecture=architecture,
        processor=cpu.get("model name", "unknown"),
        cores=os.cpu_count() or 1,
        usable_cores=min(_affinity(), _quota(root)),
        features=features,
        lacking=lacking,
        memory_bytes=total,
        available_bytes=available,
        gpus=_gpus(),
    )


def parse_gpus(table: str) -> tuple[Gpu, ...]:
    """Read what ``nvidia-smi`` prints as lines of name, memory (MiB) and driver."""
    rows = [[cell.strip() for cell in line.split(",")] for line in table.splitlines()]
    return tuple(Gpu(row[0], int(row[1]) << 20, row[2]) for row in rows if len(row) == 3 and row[1].isdigit())


def _gpus() -> tuple[Gpu, ...]:
    query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=_NVIDIA_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return parse_gpus(done.stdout) if done.returncode == 0 else ()


def _affinity() -> float:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _quota(root: Path) -> float:
    """Cores that the container allows (cgroup v2)."""
    quota, _, period = _text(root / "sys/fs/cgroup/cpu.max").partition(" ")
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() else float("inf")


def _pairs(path: Path) -> dict[str, str]:
    """Read lines of ``name: value``; of several with one name, the first."""
    pairs: dict[str, str] = {}
    for line in _text(path).splitlines():
        name, _, value = line.partition(":")
        pairs.setdefault(name.strip(), value.strip())
    return pairs


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _kibibytes(text: str) -> int:
    return (_number(text.removesuffix("kB").strip()) or 0) << 10


def _number(text: str) -> int | None:
    return int(text) if text.isdigit() else None
