"""The process's environment: the one place that looks at it. Light, since every start goes through here."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

PREFIX = "PUMICE_"
"""What the names of our settings begin with."""

SECRETS = "PUMICE_SECRET_"
"""What names of variables begin with that hold a key or a password and are no settings; replicas do not get them."""

_ENV_START, _ENV_END = 47, 48
"""Places in ``/proc/PID/stat`` of the environment's address, counted after the command's name (proc_pid_stat(5))."""


def own_settings(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Our settings in the environment, by name in lower case without the prefix.

    Args:
        environ: The environment; the process's own if left out.
    """
    env = os.environ if environ is None else environ
    own = {key: value for key, value in env.items() if key.startswith(PREFIX) and not key.startswith(SECRETS)}
    return {key.removeprefix(PREFIX).lower(): value for key, value in own.items()}


def secret(name: str) -> str:
    """A secret that a variable holds; empty: there is none.

    Args:
        name: Of the variable; begins with `SECRETS`.
    """
    return os.environ.get(name, "")


def of_replicas(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a replica's process: the server's own, less Pumice's settings.

    Args:
        environ: The environment; the process's own if left out.
    """
    env = os.environ if environ is None else environ
    return {key: value for key, value in env.items() if not key.startswith(PREFIX)}


def blot_out_own_settings() -> None:
    """Overwrite the values of Pumice's settings where other processes of the same user can read them.

    The kernel shows a process's first environment in ``/proc/PID/environ`` for as long as it runs, whatever the process
    does to its variables later; a key that was given there would be there for every replica to read.
    """
    if sys.platform != "linux":
        return
    import ctypes

    with open("/proc/self/stat", encoding="utf-8", errors="replace") as stat:  # noqa: PTH123 - light, see above
        fields = stat.read().rpartition(") ")[2].split()
    start, end = int(fields[_ENV_START]), int(fields[_ENV_END])
    if not start:  # the kernel does not tell
        return
    at = start
    for entry in ctypes.string_at(start, end - start).split(b"\0"):
        name, _, value = entry.partition(b"=")
        if name.startswith(PREFIX.encode()):
            ctypes.memset(at + len(name) + 1, ord("*"), len(value))
        at += len(entry) + 1
