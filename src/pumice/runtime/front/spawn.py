"""Start of a replica's process. Standard library only: the first replica starts before anything else is imported.

A process need not know what it is to load when it starts; it imports what every replica needs and then waits for its
`WorkerSpec` on the lifeline. So ``pumice serve`` starts one as its first act (`start_spare`), and the first
`WorkerProcess` takes it (`take_spare`).
"""

from __future__ import annotations

import socket
import subprocess
import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Started:
    """A process that waits for its specification.

    Attributes:
        process: The process.
        lifeline: Our end of the socket pair; when it closes the process ends.
    """

    process: subprocess.Popen[bytes]
    lifeline: socket.socket


_spares: list[Started] = []


def start_worker(environ: dict[str, str]) -> Started:
    """Start a process.

    Args:
        environ: Its whole environment.
    """
    lifeline, theirs = socket.socketpair()
    with theirs:
        # -P: a file in the working directory must not stand in for a library
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "pumice.runtime.worker", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            env=environ,
        )
    return Started(process, lifeline)


def start_spare(environ: dict[str, str]) -> None:
    """Start a process for whoever needs the first one.

    Args:
        environ: Its whole environment.
    """
    _spares.append(start_worker(environ))


def take_spare() -> Started | None:
    """Take the process that was started in advance, if there is one."""
    return _spares.pop() if _spares else None
