"""Compacting: a pack of which most is needed by nobody is written anew without that.

The new pack is on the disk before the database is told of it, in one transaction that also forgets the old one; then
the old file is deleted. A reader that has just looked up a place in the old file looks again (see `Transfer.look`); one
with a session has it pinned, and pinned packs are left alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from sqlalchemy import Connection, Engine

from pumice.db import packs as statements
from pumice.db.engine import READS
from pumice.db.packs import PackRow, Place
from pumice.domain.errors import StorageFailed, Tampered
from pumice.domain.store.manifest import decode_manifest
from pumice.store.layout import Layout
from pumice.store.lists import read_list
from pumice.store.packs import PackReader, PackWriter
from pumice.store.pulling import BLOCK, load, read_object
from pumice.store.sessions import Session, transaction

LEAST_DEAD = 0.5
"""Part of a pack's chunks (of their bytes) that nobody needs before it is written anew."""

Chunks = dict[bytes, tuple[int, int]]
"""Digest -> first byte and length."""

Users = list[tuple[str, int, str]]
"""Versions with the digests of their manifests."""

Elsewhere = Callable[[bytes], bytes | None]
"""Finds a chunk by its digest."""


class Compaction:
    """Looks at the packs that a deleted version used.

    Args:
        engine: The database.
        layout: The store's folder.
        clock: Seconds since 1970.
    """

    def __init__(self, engine: Engine, layout: Layout, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._reader = engine.execution_options(**READS)
        self._layout = layout
        self._clock = clock

    def run(self, *, dry_run: bool) -> tuple[int, int]:
        """Write anew what is mostly dead.

        Args:
            dry_run: Only tell.

        Returns:
            How many packs, and the bytes that come back.

        Raises:
            StorageFailed: Something could not be read or written.
        """
        with transaction(self._reader) as connection:
            loose = statements.loose(connection)
        if not loose:
            return 0, 0
        count = saved = 0
        with Session(self._engine, self._layout, self._clock) as session, PackReader(self._layout) as reader:
            for pack in loose:
                try:
                    freed = self._look_at(pack, session, reader, dry_run=dry_run)
                except Tampered:
                    continue  # its bytes stay as they are until somebody mends them; `verify` tells
                count += bool(freed)
                saved += freed
        return count, saved

    def _look_at(self, pack: str, session: Session, reader: PackReader, *, dry_run: bool) -> int:
        with transaction(self._reader) as connection:
            users = statements.users(connection, pack)
            held = statements.chunks_of(connection, pack)
        live = {digest: held[digest] for digest in self.needed(users, session, reader) if digest in held}
        whole, kept = (sum(size for _, size in chunks.values()) for chunks in (held, live))
        if whole - kept <= LEAST_DEAD * whole:
            if not dry_run:
                with transaction(self._engine) as connection:
                    statements.lock(connection)
                    # a version that was deleted since has marked it again, and the next collection looks
                    if statements.users(connection, pack) == users:
                        statements.hold_fast(connection, pack)
            return 0
        if dry_run:
            return whole - kept
        before = self._layout.size(pack)
        new = self.write(pack, users, live, (session, reader))
        return 0 if new is None else before - new

    def needed(self, users: Users, session: Session, reader: PackReader) -> Iterator[bytes]:
        """Digests of all chunks of some versions, their manifests and lists among them."""
        for _, _, digest in users:
            yield bytes.fromhex(digest)
            for file in decode_manifest(read_object(session, reader, digest), digest).stored:
                for name in file.lists:
                    yield bytes.fromhex(name)
                    for chunk, _ in read_list(read_object(session, reader, name)):
                        yield chunk

    def write(
        self,
        pack: str,
        users: Users,
        live: Chunks,
        held: tuple[Session, PackReader],
        elsewhere: Elsewhere = lambda _digest: None,
    ) -> int | None:
        """Write a pack anew, unless somebody began or ceased to rely on it.

        Args:
            pack: The old one.
            users: The versions that used it when it was looked at.
            live: The chunks that the new one gets.
            held: A session and a reader.
            elsewhere: Finds a chunk that is damaged in the old one; None: nowhere.

        Returns:
            Length of the new pack (bytes); None: the old one stays.

        Raises:
            Tampered: A chunk is damaged, and is nowhere else.
            StorageFailed: Something could not be read or written.
        """
        session, reader = held
        old = self._layout.pack(pack)
        try:
            self._layout.make()
            writer = PackWriter(self._layout.incoming / f"{session.id}-{time.monotonic_ns()}.pack")
            try:
                _copy(pack, live, writer, reader, elsewhere)
                index, new = writer.settle(self._layout, lambda _: session.touch())
            finally:
                writer.abandon()
            row = PackRow(id=new.stem, size=writer.size, digest=index, created=self._clock())
            with transaction(self._engine) as connection:
                statements.lock(connection)
                session.renew(connection)
                replaced = self.unchanged(connection, pack, users, session)
                if replaced:
                    statements.replace(connection, pack, row, writer.chunks)
            self._layout.delete(old if replaced else new)
        except OSError as error:
            raise StorageFailed(str(old), error.strerror or str(error)) from error
        return writer.size if replaced else None

    def unchanged(self, connection: Connection, pack: str, users: Users, session: Session) -> bool:
        """Whether nobody began or ceased to rely on a pack since it was looked at."""
        return not statements.pinned_by_others(connection, pack, session.id) and (
            statements.users(connection, pack) == users
        )


def _copy(pack: str, live: Chunks, writer: PackWriter, reader: PackReader, elsewhere: Elsewhere) -> None:
    room = memoryview(bytearray(BLOCK))
    for digest, (start, size) in sorted(live.items(), key=lambda item: item[1]):
        # a list may be longer than a block
        space = room if size <= BLOCK else memoryview(bytearray(size))
        data: memoryview | bytes | None
        try:
            data = load(reader, Place(pack, start, size), [(digest, size)], space)
        except Tampered:
            data = elsewhere(digest)
            if data is None:
                raise
        writer.add([digest], [data])
