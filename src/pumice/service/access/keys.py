"""Keys as they are managed: made, listed, replaced, revoked. This module imports SQLAlchemy."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from pumice.db import Place
from pumice.db import keys as statements
from pumice.db.engine import READS, open_database
from pumice.db.keys import KeyRow
from pumice.domain.access import parse_span, rate_of, scopes_of
from pumice.domain.errors import KeyNotFound, MalformedInput, StorageFailed
from pumice.service.access.tokens import digest_of, new_key
from pumice.service.access.types import KeyInfo, KeyWish, NewKey

LONGEST_NAME = 100
"""Longest name of a key (characters)."""

_FOREVER_S = 100 * 365 * 86_400.0


class KeyStore:
    """The keys of a database. Its methods block; call them in a thread.

    Args:
        engine: The database, migrated.
        clock: Seconds since 1970.
    """

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._reader = engine.execution_options(**READS)
        self._clock = clock

    @classmethod
    def open(cls, home: Path, database: str = "") -> KeyStore:
        """Open the keys of a home; its database is made if it is not there.

        Args:
            home: The home.
            database: URL of the database that is used instead of the file in the home, or an empty string.

        Raises:
            BadArtefact: The database is damaged or of a newer Pumice.
            StorageFailed: It cannot be reached or written.
        """
        return cls(open_database(Place(home, database)))

    def create(self, wish: KeyWish, by: str) -> NewKey:
        """Make a key.

        Args:
            wish: What it is to be.
            by: Who makes it.

        Raises:
            MalformedInput: The wish cannot be fulfilled; the message says which part.
            StorageFailed: It could not be stored.
        """
        now = self._clock()
        if not 0 < len(wish.name) <= LONGEST_NAME or not wish.name.isprintable():
            raise MalformedInput("name", f"expected 1 to {LONGEST_NAME} printable characters")
        if not wish.scopes:
            raise MalformedInput("scopes", "none; a key needs at least one, like infer:sentiment or read:*")
        scopes = sorted(map(str, scopes_of(wish.scopes)))
        rate = rate_of(wish.rate, wish.burst)
        span = None if wish.expires is None else min(parse_span(wish.expires), _FOREVER_S)
        key_id, token = new_key()
        row = KeyRow(
            id=key_id,
            name=wish.name,
            digest=digest_of(token),
            scopes=msgspec.json.encode(scopes).decode(),
            rate=rate.per_second if rate else None,
            burst=rate.burst if rate else None,
            created=now,
            created_by=by,
            expires=None if span is None else now + span,
            revoked=None,
            used=None,
        )
        with self._working(self._engine) as connection:
            statements.add(connection, row)
        return NewKey(key=token, info=_told(row))

    def every(self) -> list[KeyInfo]:
        """Tell all keys, the oldest first.

        Raises:
            StorageFailed: They could not be read.
        """
        with self._working(self._reader) as connection:
            return [_told(row) for row in statements.every(connection)]

    def revoke(self, key_id: str) -> KeyInfo:
        """End a key now.

        Raises:
            KeyNotFound: There is none with this id.
            StorageFailed: It could not be stored.
        """
        with self._working(self._engine) as connection:
            _found(connection, key_id)
            statements.revoke(connection, key_id, self._clock())
            return _told(_found(connection, key_id))

    def rotate(self, key_id: str, grace: str, by: str) -> NewKey:
        """Make a key of the same rights, and let the old one end a while later; both are good meanwhile.

        The new one lives as long as the old one was to live.

        Args:
            key_id: The old one.
            grace: How long it stays good, for example ``24h``.
            by: Who does this.

        Raises:
            KeyNotFound: There is none with this id, or it has ended.
            MalformedInput: The span cannot be read.
            StorageFailed: It could not be stored.
        """
        now = self._clock()
        end = now + min(parse_span(grace), _FOREVER_S)
        new_id, token = new_key()
        with self._working(self._engine) as connection:
            old = _found(connection, key_id)
            if old["revoked"] is not None or (old["expires"] or end) <= now:
                raise KeyNotFound(key_id)
            expires = None if old["expires"] is None else now + old["expires"] - old["created"]
            if old["expires"] is None or end < old["expires"]:
                statements.expire(connection, key_id, end)
            row: KeyRow = {
                **old,
                "id": new_id,
                "digest": digest_of(token),
                "created": now,
                "created_by": by,
                "expires": expires,
                "used": None,
            }
            statements.add(connection, row)
        return NewKey(key=token, info=_told(row))

    def changes(self) -> int:
        """How often keys have changed in a way that matters at the door.

        Raises:
            StorageFailed: The database could not be read.
        """
        with self._working(self._reader) as connection:
            return statements.changes(connection)

    def rows(self) -> tuple[int, list[KeyRow]]:
        """All keys as they are stored, and the count of changes up to then.

        Raises:
            StorageFailed: The database could not be read.
        """
        with self._working(self._reader) as connection:
            return statements.changes(connection), statements.every(connection)

    def touch(self, used: Mapping[str, float]) -> None:
        """Note when keys were last used (s since 1970).

        Raises:
            StorageFailed: It could not be stored.
        """
        with self._working(self._engine) as connection:
            statements.touch(connection, used)

    def close(self) -> None:
        """Close the database."""
        self._engine.dispose()

    @contextlib.contextmanager
    def _working(self, engine: Engine) -> Iterator[Connection]:
        try:
            with engine.begin() as connection:
                yield connection
        except (SQLAlchemyError, OSError) as error:
            raise StorageFailed("the keys' database", str(getattr(error, "orig", None) or error)) from error


def _found(connection: Connection, key_id: str) -> KeyRow:
    row = statements.find(connection, key_id)
    if row is None:
        raise KeyNotFound(key_id)
    return row


def _told(row: KeyRow) -> KeyInfo:
    """What may be told of a key: all but its digest."""
    told = {name: value for name, value in row.items() if name != "digest"}
    return msgspec.convert({**told, "scopes": msgspec.json.decode(row["scopes"])}, KeyInfo)
