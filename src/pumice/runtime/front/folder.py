"""The folder of one run of a server: what its replicas write. Standard library only, since it is made first of all."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile

_PREFIX = "pumice-run-"
_LOCK = "lock"

_made: list[RunFolder] = []


class RunFolder:
    """A folder that goes with the run. Folders that a killed run left behind are removed when the next is made.

    Attributes:
        path: Where it is.
    """

    def __init__(self) -> None:
        _sweep(tempfile.gettempdir())
        self.path = tempfile.mkdtemp(prefix=_PREFIX)
        # the lock says that the run lives; the kernel gives it back when the process ends, however it ends
        self._lock = os.open(os.path.join(self.path, _LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)  # noqa: PTH118
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def scratch(self) -> str:
        """Make a folder for one replica; its path is short, since a Unix socket lies in it."""
        return tempfile.mkdtemp(dir=self.path, prefix="")

    def remove(self) -> None:
        """Remove it with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def run_folder() -> RunFolder:
    """The folder of this process's run, made when it is first asked for."""
    if not _made:
        _made.append(RunFolder())
    return _made[0]


def remove_run_folder() -> None:
    """Remove the folder of this process's run, if there is one."""
    while _made:
        _made.pop().remove()


def _sweep(place: str) -> None:
    with os.scandir(place) as entries:
        left = [entry.path for entry in entries if entry.name.startswith(_PREFIX)]
    for path in left:
        with contextlib.suppress(OSError):
            lock = os.open(os.path.join(path, _LOCK), os.O_RDWR | os.O_CLOEXEC)  # noqa: PTH118
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(lock)
