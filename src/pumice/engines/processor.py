"""The processor of this machine."""

from __future__ import annotations

import platform
from pathlib import Path

from pumice.domain.processor import Processor, features_of

_FLAGS = ("flags", "Features")


def this_processor(root: Path = Path("/")) -> Processor:
    """Find out what the processor can do; where Linux does not tell it, nothing is taken for granted.

    Args:
        root: Where ``proc`` is.
    """
    architecture = platform.machine()
    try:
        lines = (root / "proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    pairs = (line.partition(":") for line in lines)
    flags = next((value for name, _, value in pairs if name.strip() in _FLAGS), "")
    return Processor(architecture, features_of(architecture, flags)[0])
