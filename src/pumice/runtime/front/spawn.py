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

from pumice.runtime.front.folder import run_folder


@dataclass(frozen=True)
class Started:
    """A process that waits for its specification.

    Attributes:
        process: The process.
        lifeline: Our end of the socket pair; when it closes the process ends.
        scratch: Its own folder, for its socket and whatever it writes.
        confined: Whether it can write nowhere else.
    """

    process: subprocess.Popen[bytes]
    lifeline: socket.socket
    scratch: str
    confined: bool


_spares: list[Started] = []


def start_worker(environ: dict[str, str], *, confined: bool = True) -> Started:
    """Start a process.

    Args:
        environ: Its environment; a confined one is told besides to put temporary files into its scratch folder.
        confined: Whether it gives up its rights as its first act (`pumice.runtime.worker.sandbox`).
    """
    scratch = run_folder().scratch()
    lifeline, theirs = socket.socketpair()
    with theirs:
        # -P: a file in the working directory must not stand in for a library
        process = subprocess.Popen(
            [
                *(sys.executable, "-P", "-m", "pumice.runtime.worker", str(theirs.fileno())),
                *((scratch,) if confined else ()),
            ],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            # where libraries put temporary files and caches
            env=environ | ({"TMPDIR": scratch, "XDG_CACHE_HOME": scratch} if confined else {}),
        )
    return Started(process, lifeline, scratch, confined)


def start_spare(environ: dict[str, str]) -> None:
    """Start a process for whoever needs the first one.

    Args:
        environ: Its whole environment.
    """
    _spares.append(start_worker(environ))


def take_spare(*, confined: bool) -> Started | None:
    """Take the process that was started in advance, if there is one and it is as confined as is wanted."""
    return _spares.pop() if _spares and _spares[-1].confined is confined else None
