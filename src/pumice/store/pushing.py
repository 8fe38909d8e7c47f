"""Pushing: files are read once, cut, hashed beside the reading, and what is not there yet is written to a pack.

Memory is a few blocks whatever the size: a block is read while those before it are hashed by other threads (hashlib
drops the interpreter's lock) and the one before those is written.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from sqlalchemy import Connection, Engine

from pumice.db import packs as statements
from pumice.db.packs import PackRow, Place
from pumice.domain.errors import BadArtefact, StorageFailed, Tampered
from pumice.domain.store.manifest import StoredFile
from pumice.store.chunking import LONGEST_CHUNK, cut_points, sizes_for
from pumice.store.layout import Layout
from pumice.store.lists import ListBuilder
from pumice.store.packs import LARGEST, PackReader, PackWriter
from pumice.store.sessions import Session, transaction
from pumice.store.tree import SourceFile

BLOCK = 4 * 1024 * 1024
"""Bytes that are read at once."""

_AHEAD = 3
"""Blocks that are hashed while the next one is read."""

Progress = Callable[[int], None]
"""Told of bytes that are done."""


@dataclass(frozen=True, slots=True)
class _Cut:
    """Chunks of a block, being hashed.

    Attributes:
        parts: The chunks.
        digests: Their digests, once they are known.
    """

    parts: list[memoryview]
    digests: Future[list[bytes]]


class Push:
    """Stores files and small objects; they are no version before `enter`.

    A pack that is whole is entered at once, pinned by the session. So a push that is cut off leaves packs that the next
    push of the same bytes finds and goes on from, unless they were collected; and no more than one pack's index is in
    memory.

    Args:
        engine: The database.
        session: Keeps what the push relies on.
        layout: The store's folder.
        now: When the push began (s since 1970).
        progress: Told of the bytes of files as they are read.
        compare: Compare bytes with those that are stored of them, and store them anew where these have changed. Left
            out: unless they lie in an object store, from where they would all have to be fetched.

    Attributes:
        stored: Bytes of the packs that were written.
        damaged: Packs in which something has changed that is now stored anew.
    """

    def __init__(
        self,
        engine: Engine,
        session: Session,
        layout: Layout,
        now: float,
        progress: Progress,
        *,
        compare: bool | None = None,
    ) -> None:
        self._engine = engine
        self._session = session
        self._layout = layout
        self._now = now
        self._progress = progress
        self._hashers = ThreadPoolExecutor(2, "pumice-chunks")
        self._whole = ThreadPoolExecutor(1, "pumice-files")
        self._writer: PackWriter | None = None
        self._buffers = cycle([np.empty(BLOCK + LONGEST_CHUNK, np.uint8) for _ in range(_AHEAD + 3)])
        self._count = 0
        self._owed = self._paid = 0
        self.stored = 0
        self.damaged: set[str] = set()
        self._healed: set[bytes] = set()
        self._room = np.empty(LONGEST_CHUNK, np.uint8)
        self._compares = layout.remote is None if compare is None else compare
        self._reader = PackReader(layout, fresh=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hashers.shutdown(cancel_futures=True)
        self._whole.shutdown(cancel_futures=True)
        self._reader.__exit__(kind, error, trace)
        if self._writer is not None:
            self._writer.abandon()

    def add_file(self, source: SourceFile) -> StoredFile:
        """Store a file.

        Raises:
            BadArtefact: It cannot be read.
            StorageFailed: It could not be stored.
        """
        whole = hashlib.sha256()
        lists = ListBuilder(self.add_object)
        size = 0
        waiting: deque[tuple[_Cut, Future[None]]] = deque()
        for block, parts in _blocks(source, self._buffers):
            size += len(block)
            waiting.append(
                (_Cut(parts, self._hashers.submit(_digests, parts)), self._whole.submit(whole.update, block))
            )
            if len(waiting) > _AHEAD:
                self._finish(waiting.popleft(), lists)
        while waiting:
            self._finish(waiting.popleft(), lists)
        return StoredFile(source.path, size, whole.hexdigest(), lists.close())

    def add_object(self, data: bytes) -> str:
        """Store something small as one chunk, and return its digest in hex.

        Raises:
            StorageFailed: It could not be stored.
        """
        digest = hashlib.sha256(data).digest()
        self.keep([digest], [memoryview(data)])
        return digest.hex()

    def flush(self) -> None:
        """Bring everything that was added to the disk and into the database.

        Raises:
            StorageFailed: It could not be written.
        """
        if self._writer is None:
            self._pay(1.0)
            return
        writer, self._writer = self._writer, None

        def told(sent: int) -> None:
            self._session.touch()
            self._pay(min(sent / writer.size, 1.0))

        try:
            index, target = writer.settle(self._layout, told)
        except OSError as error:
            raise StorageFailed(str(writer.path), error.strerror or str(error)) from error
        finally:
            writer.abandon()
        row = PackRow(id=target.stem, size=writer.size, digest=index, created=self._now)
        with transaction(self._engine) as connection:
            statements.lock(connection)
            self._session.renew(connection)
            healed, self._healed = self._healed, set()
            if healed:
                statements.move_away(connection, healed, target.stem, self._session.id)
            self._session.pin(connection, {target.stem, *statements.enter(connection, row, writer.chunks)})
        self.stored += writer.size
        self._pay(1.0)

    def enter(self, connection: Connection, model: str, version: int) -> None:
        """Note what the version uses, in the transaction that makes it exist; `flush` has been called.

        Args:
            connection: The transaction; it holds `packs.lock`.
            model: Name of the model.
            version: Number of the version.

        Raises:
            StorageFailed: The push was silent for so long that it was given up.
        """
        self._session.renew(connection)
        statements.use(connection, model, version, self._session.pinned)

    def _finish(self, done: tuple[_Cut, Future[None]], lists: ListBuilder) -> None:
        cut, whole = done
        digests = cut.digests.result()
        whole.result()
        self.keep(digests, cut.parts)
        lists.extend((digest, len(part)) for digest, part in zip(digests, cut.parts, strict=True))
        self._owed += sum(map(len, cut.parts))
        if self._layout.remote is None:
            self._pay(1.0)

    def _pay(self, share: float) -> None:
        """Tell of bytes as done; with an object store, those of a pack are when it is uploaded."""
        paid = int(share * self._owed)
        if paid > self._paid:
            self._progress(paid - self._paid)
            self._paid = paid
        if share == 1.0:
            self._owed = self._paid = 0

    def keep(self, digests: Sequence[bytes], parts: Sequence[memoryview]) -> None:
        """Write the chunks that are nowhere yet.

        Args:
            digests: SHA-256 of each.
            parts: The chunks, which are not looked at any more afterwards.

        Raises:
            StorageFailed: They could not be written.
        """
        written: Collection[bytes] = () if self._writer is None else self._writer.chunks
        fresh = {digest: part for digest, part in zip(digests, parts, strict=True) if digest not in written}
        known = self._session.find(fresh.keys())
        healed = self._damaged(fresh, known) if self._compares else set()
        new = [digest for digest in fresh if digest not in known or digest in healed]
        if not new:
            return
        try:
            if self._writer is None:
                self._layout.make()
                self._count += 1
                self._writer = PackWriter(self._layout.incoming / f"{self._session.id}-{self._count}.pack")
            self._writer.add(new, [fresh[digest] for digest in new])
            self._healed |= healed
        except OSError as error:
            raise StorageFailed(str(self._layout.incoming), error.strerror or str(error)) from error
        if self._writer.size >= LARGEST:
            self.flush()

    def _damaged(self, fresh: dict[bytes, memoryview], known: dict[bytes, Place]) -> set[bytes]:
        """Which of the chunks that are stored are not as they were."""
        found: set[bytes] = set()
        for digest, place in known.items():
            part = fresh[digest]
            if len(part) > len(self._room):
                self._room = np.empty(len(part), np.uint8)
            room = self._room[: len(part)]
            try:
                self._reader.read_into(room.data, place.pack, place.start)
                same = place.size == len(part) and np.array_equal(room, np.frombuffer(part, np.uint8))
            except Tampered:
                same = False
            if not same:
                found.add(digest)
                self.damaged.add(place.pack)
        return found


def _digests(parts: Sequence[memoryview]) -> list[bytes]:
    return [hashlib.sha256(part).digest() for part in parts]


def _blocks(source: SourceFile, buffers: Iterator[np.ndarray]) -> Iterator[tuple[memoryview, list[memoryview]]]:
    """Read a file block by block: its new bytes, and the chunks that end in them, which together are all of it.

    Buffers come around again: making new ones would cost more than hashing, since the system clears their pages.
    """
    sizes = sizes_for(source.size)
    try:
        with source.open() as file:
            rest = memoryview(b"")
            while True:
                buffer = next(buffers)
                room = buffer.data
                room[: len(rest)] = rest
                read = _fill(file.fileno(), room[len(rest) : len(rest) + BLOCK])
                last = read < BLOCK
                held = len(rest) + read
                cuts = cut_points(buffer[:held], sizes, last=last)
                parts = [room[start:end] for start, end in zip([0, *cuts], cuts, strict=False)]
                if held:
                    yield room[len(rest) : held], parts
                if last:
                    return
                rest = room[cuts[-1] if cuts else 0 : held]
    except OSError as error:
        raise BadArtefact(str(source.place), f"it cannot be read: {error.strerror}", "mend its permissions") from None


def _fill(file: int, room: memoryview) -> int:
    """Read until the room is full or the file ends; how much was read."""
    done = 0
    while done < len(room):
        read = os.readv(file, [room[done:]])
        if not read:
            break
        done += read
    return done


def incoming_session(path: Path) -> str:
    """The session that writes, or wrote, a pack."""
    return path.stem.rpartition("-")[0]
