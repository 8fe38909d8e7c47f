"""Where aliases point, looked at often and cheaply."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Collection, Mapping

from sqlalchemy import Engine
from sqlalchemy.engine.interfaces import DBAPIConnection

from pumice.db import Place, versions
from pumice.db.engine import READS, open_database
from pumice.domain.errors import StorageFailed
from pumice.domain.store.names import Ref
from pumice.store.sessions import transaction

LOOK_EVERY_S = 0.03
"""How often SQLite is asked whether anything was written; it answers from shared memory in some microseconds (s)."""

ASK_EVERY_S = 0.1
"""How often PostgreSQL is asked where the aliases point (s)."""


_POINTED = "SELECT version FROM store_aliases WHERE model = ? AND alias = ?"


class StoreWatch:
    """Looks at the aliases of a store; see `pumice.service.models.following.AliasWatch`.

    Args:
        place: The database; opened at the first look.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._engine: Engine | None = None
        self._sqlite: DBAPIConnection | None = None
        self._written: object = None
        self._asked: frozenset[Ref] = frozenset()

    async def look(self, aliases: Collection[Ref]) -> Mapping[Ref, int]:
        """Return where aliases point, or nothing if nothing was written since the last look.

        Raises:
            BadArtefact: The database is damaged or of a newer Pumice.
            StorageFailed: It cannot be read.
        """
        if self._engine is None:
            await asyncio.to_thread(self._open)
        asked = frozenset(aliases)
        # before the question and not after it: what is written meanwhile is seen the next time
        written = self._data_version()
        if self._sqlite is not None and written == self._written and asked == self._asked:
            return {}
        found = self._read(asked) if self._sqlite is not None else await asyncio.to_thread(self._ask, asked)
        self._written, self._asked = written, asked
        return found

    async def pause(self) -> None:
        """Wait until it is time for the next look."""
        await asyncio.sleep(LOOK_EVERY_S if self._sqlite is not None else ASK_EVERY_S)

    async def close(self) -> None:
        """Close the database."""
        engine, self._engine = self._engine, None
        if self._sqlite is not None:
            self._sqlite.close()
            self._sqlite = None
        if engine is not None:
            await asyncio.to_thread(engine.dispose)

    def _open(self) -> None:
        engine = open_database(self._place)
        if self._place.embedded:
            pooled = engine.raw_connection()
            self._sqlite = pooled.driver_connection
            pooled.detach()
            assert self._sqlite is not None  # noqa: S101 - it was just connected
            # this is asked in the event loop, which must not wait for whoever writes
            self._sqlite.cursor().execute("PRAGMA busy_timeout=0")
        self._engine = engine.execution_options(**READS)

    def _data_version(self) -> object:
        """A number that changes when another connection has written something (SQLite, PRAGMA data_version)."""
        if self._sqlite is None:
            return None
        cursor = self._sqlite.cursor()
        try:
            cursor.execute("PRAGMA data_version")
            row = cursor.fetchone()
        except sqlite3.OperationalError:
            return self._written  # somebody has locked it for a moment
        finally:
            cursor.close()
        return row

    def _read(self, aliases: Collection[Ref]) -> dict[Ref, int]:
        """Ask SQLite, at once: a reader waits for nobody, and a row is found in some ten microseconds."""
        assert self._sqlite is not None  # noqa: S101 - the caller has looked
        found: dict[Ref, int] = {}
        cursor = self._sqlite.cursor()
        try:
            for ref in aliases:
                cursor.execute(_POINTED, (ref.model, ref.alias))
                row = cursor.fetchone()
                if row is not None:
                    found[ref] = row[0]
        except sqlite3.Error as error:
            raise StorageFailed("the store's database", str(error)) from error
        finally:
            cursor.close()
        return found

    def _ask(self, aliases: Collection[Ref]) -> dict[Ref, int]:
        assert self._engine is not None  # noqa: S101 - `look` has opened it
        found: dict[Ref, int] = {}
        with transaction(self._engine) as connection:
            for ref in aliases:
                pointed = versions.alias(connection, ref.model, ref.alias)
                if pointed is not None:
                    found[ref] = pointed[0]
        return found
