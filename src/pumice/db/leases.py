"""Who is alive among the gateways that share a database.

A gateway holds its tasks under an id that it makes when it starts. It renews a lease in the database, which tells
gateways on other machines that it lives, and it keeps a file in the home locked as long as its process lives. The
lock is exact where the lease is late: after kill -9 the next gateway of the home takes everything over at once, and
a machine that slept does not lose its tasks.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import uuid
from collections.abc import Collection
from pathlib import Path

OWNERS = "owners"
"""Folder of the locks in the home."""


class OwnerLock:
    """This gateway's id, with the file that stays locked while the process lives.

    Replicas do not inherit the lock: Python closes the file when another program is started.

    Args:
        home: The home whose gateways share the database.

    Raises:
        OSError: The file cannot be made.
    """

    def __init__(self, home: Path) -> None:
        self.owner = str(uuid.uuid4())
        self._file = lock_file(home, self.owner)
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._handle = os.open(self._file, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._handle, fcntl.LOCK_EX)

    def release(self) -> None:
        """Say that this gateway is done; called once."""
        self._file.unlink(missing_ok=True)
        os.close(self._handle)


def lock_file(home: Path, owner: str) -> Path:
    """The file that an owner keeps locked."""
    return home / OWNERS / f"{owner}.lock"


def abandoned(home: Path, owner: str, until: float, now: float) -> bool:
    """Whether an owner is gone, so that its tasks may be taken.

    Args:
        home: The home of the one who asks.
        owner: The owner in question; not one's own.
        until: End of its lease (s since 1970).
        now: The time (s since 1970).

    Returns:
        What its lock says, if it is of this home; else whether its lease is over.
    """
    try:
        return _unlocked(lock_file(home, owner))
    except FileNotFoundError:
        return until < now


def sweep_locks(home: Path, owners: Collection[str]) -> None:
    """Delete the locks that the dead have left.

    Args:
        home: The home.
        owners: Owners that the database still knows; their locks are evidence and stay.
    """
    for file in (home / OWNERS).glob("*.lock"):
        if file.stem not in owners:
            with contextlib.suppress(FileNotFoundError):
                if _unlocked(file):
                    file.unlink()


def _unlocked(file: Path) -> bool:
    handle = os.open(file, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True
