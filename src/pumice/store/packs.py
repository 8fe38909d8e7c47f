r"""Packs: files of many chunks, so that a push costs one flush to the disk and not one a chunk.

    b"PUMICEPACK1\n"
    the chunks, one after the other
    for each chunk: its SHA-256 (32 bytes), its length (32 bits, little-endian)
    their number (64 bits, little-endian)
    SHA-256 of the first line, the index and the number

No byte is outside of what a digest covers, and the index can be read without a database.
"""

from __future__ import annotations

import errno
import hashlib
import mmap
import os
import struct
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

from pumice.domain.errors import StorageFailed, Tampered
from pumice.store.layout import Layout
from pumice.store.lists import Entry

MAGIC = b"PUMICEPACK1\n"
LARGEST = 1 << 30
"""Length from which a push begins a new pack (bytes)."""

_ENTRY = struct.Struct("<32sI")
_COUNT = struct.Struct("<Q")
_DIGEST_BYTES = 32
_TAIL = _COUNT.size + _DIGEST_BYTES
_OPEN_FILES = 16
MEND = "push the same files again, or `pumice models repair --from` a backup"
"""What to do when bytes of a pack have changed."""

SLACK = 2 * mmap.PAGESIZE
"""What a read past the system's cache may need before and behind the bytes that are wanted (bytes)."""
_AT_ONCE = 512 * 1024
"""Bytes of one write; Linux has been seen to take twelve times as long for 4 MiB at once as for 1 MiB four times."""


class PackWriter:
    """Writes a new pack. Nobody reads it before `close`.

    Args:
        path: The file; it must not be there.

    Raises:
        OSError: It cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self.chunks: dict[bytes, tuple[int, int]] = {}
        self._file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        self._flushed = 0
        self._write([MAGIC])

    def add(self, digests: Sequence[bytes], parts: Sequence[memoryview | bytes]) -> None:
        """Append chunks that the pack does not have.

        Raises:
            OSError: They could not be written.
        """
        place = self.size
        for digest, part in zip(digests, parts, strict=True):
            self.chunks[digest] = (place, len(part))
            place += len(part)
        self._write(parts)

    def close(self) -> str:
        """Write the index and bring everything to the disk.

        Returns:
            Digest of the index, in hex.

        Raises:
            OSError: It could not be written.
        """
        index = b"".join(_ENTRY.pack(digest, size) for digest, (_, size) in self.chunks.items())
        index += _COUNT.pack(len(self.chunks))
        digest = hashlib.sha256(MAGIC + index).digest()
        self._write([index, digest])
        os.fsync(self._file)
        os.close(self._file)
        self._file = -1
        return digest.hex()

    def settle(self, layout: Layout, told: Callable[[int], None]) -> tuple[str, Path]:
        """Close the pack and bring it to its place.

        Args:
            layout: Where packs are.
            told: Told now and then how many bytes are there, if that takes long.

        Returns:
            Digest of the index, in hex, and the path.

        Raises:
            OSError: It could not be written or moved.
            StorageFailed: It could not be uploaded.
        """
        index = self.close()
        layout.settle(self.path, told)
        return index, layout.pack(self.path.stem)

    def abandon(self) -> None:
        """Give it up; nothing is left of it."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        self.path.unlink(missing_ok=True)

    def _write(self, parts: Sequence[memoryview | bytes]) -> None:
        first = length = 0
        for place, part in enumerate(parts):
            if length + len(part) > _AT_ONCE and place > first:
                _write_all(self._file, parts[first:place])
                first, length = place, 0
            length += len(part)
        _write_all(self._file, parts[first:])
        self.size += sum(map(len, parts))


def _write_all(file: int, parts: Sequence[memoryview | bytes]) -> None:
    wanted = sum(map(len, parts))
    done = os.writev(file, parts)
    if done == wanted:
        return
    rest = memoryview(b"".join(parts))[done:]
    while rest:
        rest = rest[os.write(file, rest) :]


class PackReader:
    """Reads chunks. Threads may share it.

    Args:
        layout: Where packs are.
        fresh: Read what is in an object store, and not what is kept here of it.
        past_cache: Whether blocks of files are read past the system's cache, where that is possible. A model that is
            loaded is in memory already, and caching was half of the time of a load from a cold disk.
    """

    def __init__(self, layout: Layout, *, fresh: bool = False, past_cache: bool = False) -> None:
        self._layout = layout
        self._remote = layout.remote.reader(fresh=fresh) if layout.remote else None
        self._past = past_cache and self._remote is None
        self._files: OrderedDict[tuple[str, int], int] = OrderedDict()
        self._lock = Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._remote:
            self._remote.close()
        with self._lock:
            while self._files:
                os.close(self._files.popitem()[1])

    def read(self, pack: str, start: int, size: int) -> bytes:
        """Read bytes of a pack, of which no others are wanted.

        Raises:
            Tampered: The pack is not there or too short.
            StorageFailed: It cannot be read.
        """
        if self._remote is None:
            room = bytearray(size)
            self.read_into(memoryview(room), pack, start)
            return bytes(room)
        with _explained(pack):
            data = self._remote.read(pack, start, size)
        _check_whole(pack, start, size, len(data))
        return data

    def read_into(self, room: memoryview, pack: str, start: int) -> None:
        """Fill a buffer with bytes of a pack.

        Raises:
            Tampered: The pack is not there or too short.
            StorageFailed: It cannot be read.
        """
        with _explained(pack):
            if self._remote is not None:
                read = self._remote.read_into(room, pack, start)
            else:
                file = self._open(pack)
                try:
                    read = os.preadv(file, [room], start)
                finally:
                    os.close(file)
        _check_whole(pack, start, len(room), read)

    def refetch(self, pack: str, start: int, size: int) -> bool:
        """Drop what a cache had of a part of a pack; whether reading it again may give other bytes."""
        return self._remote is not None and self._remote.refetch(pack, start, size)

    def read_block(self, room: memoryview, pack: str, start: int, size: int) -> memoryview:
        """Read bytes of a pack, as the reader was told to.

        Args:
            room: Memory that begins at a page, `SLACK` longer than what is read; other memory is filled as by
                `read_into`.
            pack: The pack.
            start: The first byte.
            size: How many.

        Returns:
            The part of the room that they fill.

        Raises:
            Tampered: The pack is not there or too short.
            StorageFailed: It cannot be read.
        """
        if self._past and isinstance(room.obj, mmap.mmap) and len(room) >= size + SLACK:
            with suppress(OSError):  # a system or a disk that cannot; what else is wrong is told below
                return self._past_cache(room, pack, start, size)
        self.read_into(room[:size], pack, start)
        return room[:size]

    def _past_cache(self, room: memoryview, pack: str, start: int, size: int) -> memoryview:
        shift = start % mmap.PAGESIZE
        file = self._open(pack, os.O_DIRECT)
        try:
            whole = -(-(shift + size) // mmap.PAGESIZE) * mmap.PAGESIZE
            read = os.preadv(file, [room[:whole]], start - shift)
        finally:
            os.close(file)
        if read < shift + size:
            raise OSError(errno.EIO, "too short")
        return room[shift : shift + size]

    def _open(self, pack: str, flags: int = 0) -> int:
        """A handle of the caller's own, so that nobody closes it under its hands."""
        key = (pack, flags)
        with self._lock:
            if key not in self._files:
                self._files[key] = os.open(self._layout.pack(pack), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | flags)
            self._files.move_to_end(key)
            while len(self._files) > _OPEN_FILES:
                os.close(self._files.popitem(last=False)[1])
            return os.dup(self._files[key])


@contextmanager
def _explained(pack: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise Tampered(f"pack {pack}", "its file is not there", MEND) from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise Tampered(f"pack {pack}", "its file is a link", MEND) from None
        raise StorageFailed(f"pack {pack}", error.strerror or str(error)) from error


def _check_whole(pack: str, start: int, wanted: int, read: int) -> None:
    if read != wanted:
        raise Tampered(f"pack {pack}", f"it ends before byte {start + wanted}", MEND)


def read_index(layout: Layout, pack: str) -> tuple[list[Entry], str, int]:
    """Read which chunks a pack holds, in order.

    Returns:
        The chunks, the digest of the index in hex, and the length of the pack (bytes).

    Raises:
        Tampered: The file is no whole pack.
        OSError: It cannot be read.
        StorageFailed: An object store does not give it.
    """
    name = f"pack {pack}"
    size = layout.size(pack)
    if size < len(MAGIC) + _TAIL:
        raise Tampered(name, f"it has {size} bytes, fewer than an empty pack", MEND)
    head = layout.read(pack, 0, len(MAGIC))
    tail = layout.read(pack, size - _TAIL, _TAIL)
    (count,) = _COUNT.unpack(tail[: _COUNT.size])
    length = count * _ENTRY.size
    if head != MAGIC or length > size - len(MAGIC) - _TAIL:
        raise Tampered(name, "its head or its tail has changed", MEND)
    index = layout.read(pack, size - _TAIL - length, length + _COUNT.size)
    digest = hashlib.sha256(MAGIC + index).digest()
    if digest != tail[_COUNT.size :]:
        raise Tampered(name, "its index has changed", MEND)
    entries: list[Entry] = list(_ENTRY.iter_unpack(index[:length]))
    if sum(size for _, size in entries) != size - len(MAGIC) - _TAIL - length:
        raise Tampered(name, "its length is not that of its chunks", MEND)
    return entries, digest.hex(), size
