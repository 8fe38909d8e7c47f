"""A cache of packs that lie elsewhere: pieces of equal length as files, the oldest leaving first.

Processes share it. A piece is written beside its place and renamed, and room is made under a lock, so the bound holds
for all of them together. What is read from it is checked as everything is; nothing is flushed, a piece that a power cut
has damaged is fetched again.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

PIECE = 8 * 1024 * 1024
"""Bytes of a piece."""

_SPARE = 0.1
"""Part of the bound that is made free at once, so that not every piece has to make room."""


class PieceCache:
    """Pieces of packs.

    Args:
        folder: Where they are; made if it is not there.
        limit: Most that they may have together (bytes).
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self._limit = limit

    def open(self, pack: str, number: int, size: int) -> int | None:
        """A handle of a piece, or None if it is not there, whole.

        Args:
            pack: The pack.
            number: Which piece.
            size: Its length (bytes).

        Raises:
            OSError: It cannot be opened.
        """
        path = self._path(pack, number)
        try:
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        if os.fstat(handle).st_size != size:
            os.close(handle)
            return None
        with contextlib.suppress(OSError):
            os.utime(handle)  # the time of its last use
        return handle

    def put(self, pack: str, number: int, data: bytes) -> int:
        """Keep a piece.

        Returns:
            A handle of it, which stays good if it leaves the cache.

        Raises:
            OSError: It could not be written.
        """
        path = self._path(pack, number)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = self._folder / f"{uuid.uuid4().hex}.part"
        handle = os.open(beside, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(handle, view) :]
            with self._locked():
                self._make_room(len(data))
                beside.rename(path)
        except BaseException:
            os.close(handle)
            beside.unlink(missing_ok=True)
            raise
        return handle

    def has(self, pack: str, number: int) -> bool:
        """Whether a piece is there."""
        return self._path(pack, number).exists()

    def forget(self, pack: str, number: int) -> None:
        """Take a piece out."""
        self._path(pack, number).unlink(missing_ok=True)

    def _path(self, pack: str, number: int) -> Path:
        return self._folder / pack[:2] / f"{pack}.{number}"

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        lock = os.open(self._folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _make_room(self, wanted: int) -> None:
        pieces = sorted(_pieces(self._folder))
        held = sum(size for _, size, _ in pieces)
        if held + wanted <= self._limit:
            return
        least = (1 - _SPARE) * self._limit
        for _, size, path in pieces:
            if held + wanted <= least:
                return
            path.unlink(missing_ok=True)
            held -= size


def _pieces(folder: Path) -> Iterator[tuple[float, int, Path]]:
    """Time of the last use, size and path of each."""
    with os.scandir(folder) as below:
        folders = [entry.path for entry in below if entry.is_dir(follow_symlinks=False)]
    for path in folders:
        with os.scandir(path) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    about = entry.stat(follow_symlinks=False)
                    yield about.st_mtime, about.st_size, Path(entry.path)
