"""What of the sandbox this system can enforce."""

from __future__ import annotations

from dataclasses import dataclass

from pumice.runtime.worker.sandbox import landlock, seccomp


@dataclass(frozen=True)
class Measure:
    """One thing that a replica is kept from.

    Attributes:
        name: A slug.
        text: What it may not do.
        by: What of the system enforces it.
    """

    name: str
    text: str
    by: str


MEASURES = (
    Measure("writes", "writes only in its own scratch folder", "Landlock (Linux 5.13)"),
    Measure("home", "cannot read the server's home: keys, tasks, results", "Landlock (Linux 5.13)"),
    Measure("outside", "cannot signal or look into processes outside", "Landlock (Linux 6.12)"),
    Measure("network", "opens no network socket and connects to nobody", "seccomp filter (x86-64, arm64)"),
    Measure("memory", "cannot outgrow 'memory_limit'", "RLIMIT_DATA (Linux 4.7)"),
)
"""All that there is."""

_SIGNALS_SINCE = 6


def offered() -> dict[str, bool]:
    """Say for each of `MEASURES`, by name, whether this system enforces it."""
    version = landlock.version()
    return {
        "writes": version > 0,
        "home": version > 0,
        "outside": version >= _SIGNALS_SINCE,
        "network": seccomp.available(),
        "memory": True,
    }
