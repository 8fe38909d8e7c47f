"""Stored files in memory: every byte is checked on its way there, and nobody can change it afterwards.

A file becomes an anonymous memory file (``memfd_create``) that is sealed once it is full: no process, this one
included, can write to it, shorten or lengthen it. So what was checked is what is read, however late, and processes that
are handed the descriptor share its pages. Nothing is written to a disk, and nothing is left when the last descriptor is
closed.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable
from functools import partial
from typing import NamedTuple

from pumice.domain.errors import StorageFailed
from pumice.store.packs import PackReader
from pumice.store.pulling import Readable, pour, put_at
from pumice.store.pushing import Progress
from pumice.store.sessions import Session

_SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


class MemoryFile(NamedTuple):
    """A file in memory.

    Attributes:
        path: Its path in the model's folder, with ``/`` between the parts.
        fd: A descriptor that reads it.
    """

    path: str
    fd: int


def load_files(files: Iterable[Readable], session: Session, reader: PackReader, progress: Progress) -> list[MemoryFile]:
    """Load stored files into memory, unsealed if they are sealed. The descriptors are the caller's to close.

    Raises:
        Tampered: Stored bytes have changed; nothing stays in memory.
        StorageFailed: Something could not be read, or there is no memory or no descriptor for it.
    """
    loaded: list[MemoryFile] = []
    try:
        loaded.extend(MemoryFile(each.file.path, _load(each, session, reader, progress)) for each in files)
    except BaseException:
        for kept in loaded:
            os.close(kept.fd)
        raise
    return loaded


def _load(wanted: Readable, session: Session, reader: PackReader, progress: Progress) -> int:
    try:
        handle = os.memfd_create("pumice-model", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            pour(wanted, session, reader, partial(put_at, handle), progress)
            os.ftruncate(handle, wanted.size)
            fcntl.fcntl(handle, fcntl.F_ADD_SEALS, _SEALS)
            # opened anew: with a descriptor that once could write, older kernels allow no shared mapping
            return os.open(f"/proc/self/fd/{handle}", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            os.close(handle)
    except OSError as error:
        raise StorageFailed(f"memory for {wanted.file.path!r}", error.strerror or str(error)) from error
