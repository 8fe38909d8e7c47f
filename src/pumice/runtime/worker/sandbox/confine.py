"""The two steps by which a replica gives up what it does not need."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterator, Sequence

from pumice.runtime.worker.sandbox import landlock, seccomp
from pumice.runtime.worker.sandbox.landlock import WRITE, Access

_MORE_EXPENDABLE = 500
"""Added to a replica's score: when the machine's memory is gone, the kernel ends a replica and not the front."""


def confine(scratch: str) -> None:
    """First step: write nowhere but in the scratch folder and to devices. Before any thread is started.

    What the kernel does not offer is left out; `offered` tells.

    Args:
        scratch: The replica's own folder.
    """
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as score:  # noqa: PTH123
        score.write(str(_MORE_EXPENDABLE))
    if landlock.version():
        devices = Access.WRITE_FILE | Access.TRUNCATE
        # shared memory is where libraries keep their semaphores
        landlock.restrict(WRITE, [(scratch, WRITE), ("/dev", devices), ("/dev/shm", WRITE)])  # noqa: S108


def narrow(*, hidden: Sequence[str], shown: Sequence[str], network: bool) -> None:
    """Second step, when it is known what is to be loaded: no network, and some folders out of reach.

    Args:
        hidden: Absolute folders whose files it may not read.
        shown: Absolute paths that it may read all the same.
        network: Whether it may use the network.
    """
    if not network and seccomp.available():
        seccomp.forbid_network()
    if hidden and landlock.version():
        beside = _beside([os.path.realpath(path) for path in hidden])
        kept = [*beside, *(os.path.realpath(path) for path in shown)]
        landlock.restrict(Access.READ_FILE, [(path, Access.READ_FILE) for path in kept])


def limit_memory(limit: int) -> None:
    """Let no allocation take this process beyond so much memory of its own.

    The kernel counts what is private and can be written: heaps, arrays, thread stacks; not files that are mapped.

    Args:
        limit: Size (bytes).
    """
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def _beside(hidden: Sequence[str], folder: str = "/") -> Iterator[str]:
    """All paths that hold none of the hidden ones, as high up as can be: what may be read, since rights only add up."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.path in hidden or entry.is_symlink():
                continue
            if any(path.startswith(f"{entry.path}/") for path in hidden):
                yield from _beside(hidden, entry.path)
            else:
                yield entry.path
