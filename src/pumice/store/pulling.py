"""Reading stored files: every chunk is held against its digest before a byte of it is handed on."""

from __future__ import annotations

import hashlib
import mmap
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pumice.db.packs import Place
from pumice.domain.errors import StorageFailed, Tampered
from pumice.domain.store.manifest import StoredFile
from pumice.domain.store.sealing import plain_size
from pumice.store.chunking import LONGEST_CHUNK
from pumice.store.ciphers import FileCipher, plain_place
from pumice.store.lists import Entry, read_list
from pumice.store.packs import MEND, SLACK, PackReader
from pumice.store.pushing import Progress
from pumice.store.sessions import Session

THREADS = 4
"""Threads that read, hash and write; more than small machines have cores, since each waits for the disk in between."""

BLOCK = 1024 * 1024
"""Most bytes that are read at once; several chunks, and few enough that a core's cache keeps them."""

assert BLOCK >= LONGEST_CHUNK  # noqa: S101 - a chunk fits into a block

_AHEAD = 2 * THREADS
_LOOKED_UP = 1000
"""Chunks whose places are asked for at once."""
_HOLE = 4096

Put = Callable[[memoryview, int], None]
"""Takes bytes of a file, and the place of the first of them."""


class Run(NamedTuple):
    """Chunks of a file that lie one after the other in a pack.

    Attributes:
        at: Where the first of them begins in the file.
        place: Where they lie.
        chunks: Their digests and lengths.
    """

    at: int
    place: Place
    chunks: list[Entry]


def read_object(session: Session, reader: PackReader, digest: str) -> bytes:
    """Read something small that was stored as one chunk.

    Args:
        session: Keeps its pack from the collector.
        reader: Reads packs.
        digest: Its SHA-256 in hex.

    Raises:
        Tampered: It is not there, or has another digest.
        StorageFailed: It cannot be read.
    """
    key = bytes.fromhex(digest)
    place = session.find([key]).get(key)
    if place is None:
        raise Tampered(f"chunk {digest[:12]}", "it is not in the store")
    return read_small(reader, place, key)


def read_small(reader: PackReader, place: Place, digest: bytes) -> bytes:
    """Read a chunk of which the neighbours are not wanted.

    Raises:
        Tampered: It has another digest.
        StorageFailed: It cannot be read.
    """
    data = reader.read(*place)
    try:
        checked(place.pack, memoryview(data), [(digest, place.size)])
    except Tampered:
        if not reader.refetch(*place):
            raise
        data = reader.read(*place)
        checked(place.pack, memoryview(data), [(digest, place.size)])
    return data


def runs_of(file: StoredFile, session: Session, reader: PackReader, start: int = 0) -> Iterator[Run]:
    """Say where the bytes of a file lie, in order, each run of a block at most.

    Args:
        file: The file.
        session: Keeps its packs from the collector.
        reader: Reads packs.
        start: Lists of chunks that end before this byte are passed over.

    Raises:
        Tampered: A list or a chunk is not there, or together they are not as long as the file.
        StorageFailed: The database or a pack cannot be read.
    """
    at = 0
    for digest in file.lists:
        entries = read_list(read_object(session, reader, digest))
        size = sum(size for _, size in entries)
        if at + size <= start:
            at += size
            continue
        run: Run | None = None
        for chunk, place in _placed(entries, session, file):
            if run is None or not _continues(run, place):
                if run is not None:
                    yield run
                run = Run(at, place, [(chunk, place.size)])
            else:
                run.chunks.append((chunk, place.size))
                run = run._replace(place=Place(run.place.pack, run.place.start, run.place.size + place.size))
            at += place.size
        if run is not None:
            yield run
    if at != file.size:
        raise Tampered(f"file {file.path!r}", f"its chunks have {at} bytes, its manifest says {file.size}")


def _placed(entries: Sequence[Entry], session: Session, file: StoredFile) -> Iterator[tuple[bytes, Place]]:
    """Say where chunks lie; a part of them is looked up while those before are read."""
    for first in range(0, len(entries), _LOOKED_UP):
        part = entries[first : first + _LOOKED_UP]
        places = session.find({chunk for chunk, _ in part})
        for chunk, size in part:
            place = places.get(chunk)
            if place is None or place.size != size:
                raise Tampered(f"file {file.path!r}", f"its chunk {chunk.hex()[:12]} is not in the store")
            yield chunk, place


def _continues(run: Run, place: Place) -> bool:
    pack, start, size = run.place
    return place.pack == pack and place.start == start + size and size + place.size <= BLOCK


def load(reader: PackReader, place: Place, chunks: Sequence[Entry], room: memoryview) -> memoryview:
    """Read chunks that lie one after the other.

    Args:
        reader: Reads packs.
        place: Where they lie.
        chunks: Their digests and lengths.
        room: Where they are put.

    Returns:
        The part of the room that they fill.

    Raises:
        Tampered: They are not what their digests say.
        StorageFailed: They cannot be read.
    """
    try:
        return checked(place.pack, reader.read_block(room, *place), chunks)
    except Tampered:
        if not reader.refetch(*place):
            raise
    # a cache had it wrong; what counts is what the store has
    return checked(place.pack, reader.read_block(room, *place), chunks)


def checked(pack: str, view: memoryview, chunks: Sequence[Entry]) -> memoryview:
    """Return bytes that are what their digests say.

    Raises:
        Tampered: They are not.
    """
    start = 0
    for digest, size in chunks:
        if hashlib.sha256(view[start : start + size]).digest() != digest:
            raise Tampered(f"pack {pack}", f"chunk {digest.hex()[:12]} has other bytes than were stored", MEND)
        start += size
    return view


class Rooms:
    """Buffers of a block that come around again; threads may share them. They begin at a page."""

    def __init__(self) -> None:
        self._free: list[memoryview] = []

    def take(self) -> memoryview:
        """A buffer that nobody else has."""
        try:
            return self._free.pop()  # one step of the interpreter, so it needs no lock
        except IndexError:
            return memoryview(mmap.mmap(-1, BLOCK + SLACK))

    def give_back(self, room: memoryview) -> None:
        """Let others have a buffer."""
        self._free.append(room)


def in_threads(runs: Iterator[Run], work: Callable[[Run], None], progress: Progress) -> None:
    """Do something with every run, a few at a time, and tell of each that is done.

    Raises:
        PumiceError: The first error of the work or of the runs; what is under way is waited for.
    """
    with ThreadPoolExecutor(THREADS, "pumice-chunks") as pool:
        waiting: deque[tuple[Run, Future[None]]] = deque()
        try:
            for run in runs:
                waiting.append((run, pool.submit(work, run)))
                if len(waiting) > _AHEAD:
                    _done(waiting.popleft(), progress)
            while waiting:
                _done(waiting.popleft(), progress)
        finally:
            for _, future in waiting:
                future.cancel()


def _done(item: tuple[Run, Future[None]], progress: Progress) -> None:
    run, future = item
    future.result()
    progress(run.place.size)


class Readable(NamedTuple):
    """A stored file, and what unseals it.

    Attributes:
        file: The file as it is stored.
        cipher: Unseals it; None: it is not sealed.
    """

    file: StoredFile
    cipher: FileCipher | None = None

    @property
    def size(self) -> int:
        """Length of its plain bytes.

        Raises:
            Tampered: No sealed file is so long as this one.
        """
        return self.file.size if self.cipher is None else plain_size(self.file.size)


def pour(
    wanted: Readable,
    session: Session,
    reader: PackReader,
    put: Put,
    progress: Progress,
    have: Callable[[Run, memoryview], bool] | None = None,
) -> None:
    """Give out all plain bytes of a stored file, each run of chunks once it is checked.

    This is the one way by which the plain bytes of a stored file come out of the store, to a disk or into memory.

    Args:
        wanted: The file.
        session: Keeps its packs from the collector.
        reader: Reads packs.
        put: Takes bytes and the place of the first of them in the file; called by `THREADS` threads, the starts nearly
            in order. The bytes are the caller's until it returns.
        progress: Told of bytes that are done.
        have: Whether a run need not be read, because it is there; it may use the room that it is given.

    Raises:
        Tampered: Stored bytes have changed.
        StorageFailed: Something could not be read.
        OSError: What ``put`` raised.
    """
    file, cipher = wanted
    rooms = Rooms()

    def work(run: Run) -> None:
        room = rooms.take()
        if have is None or not have(run, room):
            data = load(reader, run.place, run.chunks, room)
            if cipher is None:
                put(data, run.at)
            else:
                plain = rooms.take()
                put(cipher.unseal(data, plain, run.at, file.size), plain_place(run.at))
                rooms.give_back(plain)
        rooms.give_back(room)

    in_threads(runs_of(file, session, reader), work, progress)


def blocks_from(file: StoredFile, start: int, session: Session, reader: PackReader) -> Iterator[memoryview]:
    """Read the bytes of a stored file in their order, from one of them on.

    Args:
        file: The file, as it is stored.
        start: Place of the first byte that is wanted.
        session: Keeps its packs from the collector.
        reader: Reads packs.

    Yields:
        Bytes whose chunks are checked, a block at most; they are the caller's until it asks for the next.

    Raises:
        Tampered: Stored bytes have changed.
        StorageFailed: Something could not be read.
    """
    room = Rooms().take()
    for run in runs_of(file, session, reader, start):
        if run.at + run.place.size > start:
            yield load(reader, run.place, run.chunks, room)[max(0, start - run.at) :]


def read_sealed(wanted: Readable, session: Session, reader: PackReader) -> bytes:
    """Read something small that was sealed.

    Raises:
        Tampered: It is not there, or is not what was sealed there.
        StorageFailed: It cannot be read.
    """
    found = memoryview(bytearray(wanted.size))

    def put(view: memoryview, at: int) -> None:
        found[at : at + len(view)] = view

    pour(wanted, session, reader, put, lambda _count: None)
    return bytes(found)


def write_file(target: Path, wanted: Readable, session: Session, reader: PackReader, progress: Progress) -> None:
    """Write a stored file. Long rows of zeros become holes.

    What a pull that was cut off has left there is kept where it has the right digests; of a sealed file nothing is.

    Args:
        target: The place.
        wanted: The file.
        session: Keeps its packs from the collector.
        reader: Reads packs.
        progress: Told of the bytes that were read.

    Raises:
        Tampered: Stored bytes have changed; what was written so far stays for the caller to delete.
        StorageFailed: Something could not be read or written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(target, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        try:
            if wanted.cipher is not None:
                os.ftruncate(handle, 0)
            if os.fstat(handle).st_size:
                pour(wanted, session, reader, partial(_put_all, handle), progress, partial(_is_there, handle))
            else:
                pour(wanted, session, reader, partial(put_at, handle), progress)
            if os.fstat(handle).st_size != wanted.size:
                os.ftruncate(handle, wanted.size)
        finally:
            os.close(handle)
    except OSError as error:
        raise StorageFailed(str(target), error.strerror or str(error)) from error


def _is_there(handle: int, run: Run, room: memoryview) -> bool:
    view = room[: run.place.size]
    if os.preadv(handle, [view], run.at) != len(view):
        return False
    try:
        checked(run.place.pack, view, run.chunks)
    except Tampered:
        return False
    return True


def put_at(handle: int, view: memoryview, at: int) -> None:
    """Write bytes to a place of an empty file; long rows of zeros become holes.

    Raises:
        OSError: They could not be written.
    """
    if len(view) >= _HOLE and not view[0] and not np.frombuffer(view, np.uint8).any():
        return
    _put_all(handle, view, at)


def _put_all(handle: int, view: memoryview, at: int) -> None:
    while view:
        written = os.pwrite(handle, view, at)
        view, at = view[written:], at + written
