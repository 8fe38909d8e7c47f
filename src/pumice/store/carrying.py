"""Packs that are carried from one place to another: into a backup and out of it, whole or not at all."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from pumice.db.packs import PackRow
from pumice.domain.errors import StorageFailed, Tampered
from pumice.store.layout import Layout
from pumice.store.packs import PackReader, read_index
from pumice.store.verifying import verify_pack

_STEP = 8 * 1024 * 1024

Told = Callable[[int], None]
"""Told of bytes that are done."""


def has_pack(row: PackRow, layout: Layout) -> bool:
    """Whether a pack is there by its length and its index; its chunks are not read.

    Raises:
        StorageFailed: It cannot be told.
    """
    try:
        _, digest, size = read_index(layout, row["id"])
    except (FileNotFoundError, Tampered):
        return False
    except OSError as error:
        raise StorageFailed(str(layout.pack(row["id"])), error.strerror or str(error)) from error
    return (size, digest) == (row["size"], row["digest"])


def is_whole(row: PackRow, layout: Layout, told: Told = lambda _count: None) -> bool:
    """Whether a pack is there with every byte that it should have.

    Raises:
        StorageFailed: It cannot be read.
    """
    try:
        with PackReader(layout, fresh=True) as reader:
            verify_pack(row, layout, reader, told)
    except Tampered:
        return False
    return True


def bring_pack(row: PackRow, source: Layout, scratch: Layout, target: Layout, told: Told) -> None:
    """Copy a pack, read it again and hold every byte against its digest, and then bring it to its place.

    A copy that was cut off is gone on with.

    Args:
        row: The pack.
        source: Where it is.
        scratch: Where it is put together.
        target: Where it goes.
        told: Told of bytes that are copied.

    Raises:
        Tampered: It has changed, or is not there.
        StorageFailed: It cannot be read or written.
    """
    file = scratch.pack(row["id"])
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        begun = file.stat().st_size if file.exists() else 0
        while True:
            _copy(row, source, file, told)
            try:
                with PackReader(scratch) as reader:
                    verify_pack(row, scratch, reader, lambda _count: None)
                break
            except Tampered:
                file.unlink(missing_ok=True)
                if not begun:
                    raise
                begun = 0  # what was there before may have been wrong
        target.settle(file, lambda _sent: None)
    except FileNotFoundError:
        raise Tampered(f"pack {row['id']}", "its file is not there") from None
    except OSError as error:
        raise StorageFailed(f"pack {row['id']}", error.strerror or str(error)) from error


def _copy(row: PackRow, source: Layout, file: Path, told: Told) -> None:
    handle = os.open(file, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "ab") as out:
        start = out.tell()
        told(start)
        while start < row["size"]:
            data = source.read(row["id"], start, min(_STEP, row["size"] - start))
            if not data:
                break
            out.write(data)
            start += len(data)
            told(len(data))
        out.flush()
        os.fsync(out.fileno())
        # so that it is the disk that is read again, and not what the system still has in memory
        os.posix_fadvise(out.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def copied(source: Path, target: Path) -> str:
    """Copy a small file for its user alone, and bring it to the disk.

    Returns:
        SHA-256 of what was copied, in hex.

    Raises:
        OSError: It cannot be read or written.
    """
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(target, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    digest = hashlib.sha256()
    with source.open("rb") as read, os.fdopen(handle, "wb") as out:
        while data := read.read(_STEP):
            digest.update(data)
            out.write(data)
        out.flush()
        os.fsync(out.fileno())
    return digest.hexdigest()
