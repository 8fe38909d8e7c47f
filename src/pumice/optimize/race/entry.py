"""The folders in which runs work: one for each set of inputs, kept as a cache of bounded size."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

_LOCKS = "locks"
_GONE = "gone-"


@contextlib.contextmanager
def opened(cache: Path, key: str, waiting: Callable[[], None]) -> Iterator[Path]:
    """Hold a run's folder: another run on the same inputs waits until this one ends, and then finds all its results.

    Args:
        cache: The folder of all runs; it is made if it is not there.
        key: Names the inputs, in letters and digits.
        waiting: Called before waiting for another run.
    """
    (cache / _LOCKS).mkdir(parents=True, exist_ok=True)
    with _lock(cache, key) as handle:
        if not _taken(handle, wait=False):
            waiting()
            _taken(handle, wait=True)
        folder = cache / key
        folder.mkdir(exist_ok=True)
        os.utime(folder)
        yield folder


def trim(cache: Path, limit: int, keep: str) -> None:
    """Delete the folders that were not used for longest, until the rest is small enough; none that a run holds.

    Args:
        cache: The folder of all runs.
        limit: Most that they may take together (bytes).
        keep: One that stays.
    """
    found = [folder for folder in cache.iterdir() if folder.is_dir() and folder.name != _LOCKS]
    sizes = {folder: _size(folder) for folder in found}
    total = sum(sizes.values())
    for folder in sorted(found, key=lambda folder: folder.stat().st_mtime):
        if total <= limit:
            return
        if folder.name == keep:
            continue
        with _lock(cache, folder.name) as handle:
            if _taken(handle, wait=False):
                # renamed first: what a kill leaves of it is never taken for a whole one
                gone = folder.rename(cache / f"{_GONE}{folder.name.removeprefix(_GONE)}")
                shutil.rmtree(gone)
                total -= sizes[folder]


@contextlib.contextmanager
def _lock(cache: Path, key: str) -> Iterator[int]:
    # beside the folders and never deleted, so that nobody waits for a lock on a file that is gone
    handle = os.open(cache / _LOCKS / key, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield handle
    finally:
        os.close(handle)


def _taken(handle: int, *, wait: bool) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def _size(folder: Path) -> int:
    return sum(file.lstat().st_size for file in folder.rglob("*") if file.is_file())
