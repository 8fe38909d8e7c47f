"""A home that a restore puts together: in a folder of its own, until all of it is there and checked.

    restore.part/…          as it will lie in the home
    restore.part/ready      all of it is there; what is left is to move it to its place

Whoever opens a home that is ready moves what is left, so that a restore which was killed then is at its end too. A home
that is not ready is not opened: what is written there meanwhile would be in its way.
"""

from __future__ import annotations

import os
from pathlib import Path

from pumice.db import FILE_NAME
from pumice.domain.errors import BadArtefact, StorageFailed

PART = "restore.part"
READY = "ready"
SCRATCH = "scratch"
"""Folder in the part of what is not moved."""


def settle_arrival(home: Path) -> None:
    """Move what a restore has left ready, or refuse a home where one is under way; called one after the other.

    Raises:
        BadArtefact: A restore has not come so far.
        StorageFailed: A file cannot be moved.
    """
    part = home / PART
    try:
        if not part.is_dir() or not any(part.iterdir()):
            return
        if not (part / READY).exists():
            raise BadArtefact(
                str(home), "a restore into it has not come to its end", f"run it again, or delete {part} to begin anew"
            )
        move_in(home)
    except OSError as error:
        raise StorageFailed(str(part), error.strerror or str(error)) from error


def move_in(home: Path) -> None:
    """Move everything of a part that is ready to its place, the database last; may be called again after a crash.

    Raises:
        OSError: A file cannot be moved.
    """
    part = home / PART
    found = sorted(path for path in part.rglob("*") if not path.is_dir())
    moved = [path for path in found if path.relative_to(part).parts[0] not in {READY, SCRATCH}]
    for path in sorted(moved, key=lambda path: path.name == FILE_NAME):
        target = home / path.relative_to(part)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.name == FILE_NAME:
            _sync(home)  # what the database tells of is there before it
        path.replace(target)
    for folder in {(home / path.relative_to(part)).parent for path in moved} | {home}:
        _sync(folder)
    for path in sorted(part.rglob("*"), reverse=True):
        if path.name != READY or path.parent != part:
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    (part / READY).unlink(missing_ok=True)
    part.rmdir()


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
