"""Mending: a pack of which bytes have changed is written anew, with what is damaged taken from elsewhere.

It is a compaction (see `pumice.store.compacting`) that asks others for the chunks that it cannot read. What nobody
needs any more is left out, damaged or not. A pack of which something is nowhere else stays as it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import NamedTuple

from sqlalchemy import Engine

from pumice.db import packs as statements
from pumice.db.engine import READS
from pumice.db.packs import Place
from pumice.domain.errors import Tampered
from pumice.store.compacting import Compaction, Elsewhere
from pumice.store.layout import Layout
from pumice.store.packs import MAGIC, PackReader, read_index
from pumice.store.pulling import read_small
from pumice.store.sessions import Session, transaction
from pumice.store.verifying import damaged_chunks

Search = Callable[[Collection[bytes]], Elsewhere]
"""Looks for chunks; what it returns hands them out, each held against its digest."""


class Outcome(NamedTuple):
    """What came of a pack.

    Attributes:
        chunks: Chunks that were taken from elsewhere.
        problem: Why it stays as it is; empty: it is whole now.
    """

    chunks: int
    problem: str


class Mending:
    """Mends packs.

    Args:
        engine: The database.
        layout: The store's folder.
        clock: Seconds since 1970.
    """

    def __init__(self, engine: Engine, layout: Layout, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._layout = layout
        self._clock = clock
        self._compaction = Compaction(engine, layout, clock)

    def mend(self, pack: str, search: Search | None = None) -> Outcome:
        """Write a pack anew.

        Args:
            pack: Its id.
            search: Where to look for what is damaged; None: nowhere, only what nobody needs is left out.

        Raises:
            StorageFailed: Something could not be read or written.
        """
        with (
            Session(self._engine, self._layout, self._clock) as session,
            PackReader(self._layout, fresh=True) as reader,
        ):
            with transaction(self._engine.execution_options(**READS)) as connection:
                users = statements.users(connection, pack)
                held = statements.chunks_of(connection, pack)
            damaged = damaged_chunks(pack, held, reader)
            try:
                needed = set(self._compaction.needed(users, session, reader)) if held else set()
            except Tampered:  # what is needed cannot be told
                needed = set(held)
            live = {digest: place for digest, place in held.items() if digest in needed}
            elsewhere = _Counted(search(damaged & needed) if search and damaged & needed else _nowhere)
            try:
                if not live:
                    new = self._drop(pack, users, session)
                else:
                    new = self._compaction.write(pack, users, live, (session, reader), elsewhere)
            except Tampered as error:
                lost = sum(elsewhere(digest) is None for digest in damaged & needed)
                return Outcome(0, f"{error.what}: {error.problem}; {lost} chunks are damaged and nowhere else")
        if new is None:
            return Outcome(0, f"pack {pack}: it is in use just now; try again")
        return Outcome(elsewhere.count, "")

    def _drop(self, pack: str, users: list[tuple[str, int, str]], session: Session) -> int | None:
        """Forget a pack of which nothing is needed."""
        with transaction(self._engine) as connection:
            statements.lock(connection)
            session.renew(connection)
            if not self._compaction.unchanged(connection, pack, users, session):
                return None
            statements.drop(connection, pack)
        self._layout.delete(self._layout.pack(pack))
        return 0


class _Counted:
    """Counts the chunks that are found."""

    def __init__(self, elsewhere: Elsewhere) -> None:
        self._elsewhere = elsewhere
        self.count = 0

    def __call__(self, digest: bytes) -> bytes | None:
        found = self._elsewhere(digest)
        self.count += found is not None
        return found


def _nowhere(_digest: bytes) -> bytes | None:
    return None


def search_packs(layout: Layout, files: Collection[str]) -> Search:
    """Look for chunks in other packs, such as those of a backup.

    Args:
        layout: Where they are.
        files: Ids of the packs.
    """

    def search(wanted: Collection[bytes]) -> Elsewhere:
        places: dict[bytes, list[Place]] = {}
        for pack in files:
            try:
                entries, _, _ = read_index(layout, pack)
            except Tampered:
                continue
            at = len(MAGIC)
            for digest, length in entries:
                if digest in wanted:
                    places.setdefault(digest, []).append(Place(pack, at, length))
                at += length

        def find(digest: bytes) -> bytes | None:
            with PackReader(layout) as reader:
                for place in places.get(digest, ()):
                    try:
                        return read_small(reader, place, digest)
                    except Tampered:
                        continue
            return None

        return find

    return search
