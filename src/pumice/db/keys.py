"""The statements of keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict, cast

from sqlalchemy import Connection, RowMapping, bindparam, insert, select, update

from pumice.db.schema import access_changes, access_keys


class KeyRow(TypedDict):
    """A key; the columns of ``access_keys``. Times are seconds since 1970."""

    id: str
    name: str
    digest: bytes
    scopes: str
    rate: float | None
    burst: int | None
    created: float
    created_by: str
    expires: float | None
    revoked: float | None
    used: float | None


_KEY = access_keys.c.id == bindparam("key")
_CHANGES = select(access_changes.c.count)
_ALL = select(access_keys).order_by(access_keys.c.created, access_keys.c.id)
_ONE = select(access_keys).where(_KEY)


def changes(connection: Connection) -> int:
    """How often keys have changed in a way that matters at the door."""
    return int(connection.execute(_CHANGES).scalar_one())


def add(connection: Connection, row: KeyRow) -> None:
    """Store a new key."""
    connection.execute(insert(access_keys), [dict(row)])
    _count(connection)


def every(connection: Connection) -> list[KeyRow]:
    """All keys, the oldest first."""
    return [_row(row) for row in connection.execute(_ALL).mappings()]


def find(connection: Connection, key_id: str) -> KeyRow | None:
    """One key, or None."""
    row = connection.execute(_ONE, {"key": key_id}).mappings().one_or_none()
    return None if row is None else _row(row)


def revoke(connection: Connection, key_id: str, now: float) -> None:
    """End a key now, unless it was ended before."""
    connection.execute(
        update(access_keys).where(_KEY, access_keys.c.revoked.is_(None)).values(revoked=now), {"key": key_id}
    )
    _count(connection)


def expire(connection: Connection, key_id: str, at: float) -> None:
    """Let a key end at a moment."""
    connection.execute(update(access_keys).where(_KEY).values(expires=at), {"key": key_id})
    _count(connection)


def touch(connection: Connection, used: Mapping[str, float]) -> None:
    """Note when keys were last used; that is no change at the door."""
    connection.execute(
        update(access_keys).where(_KEY).values(used=bindparam("at")),
        [{"key": key_id, "at": at} for key_id, at in used.items()],
    )


def _row(found: RowMapping) -> KeyRow:
    # SQLAlchemy's names may be of a class of its own below str
    return cast("KeyRow", {str(name): value for name, value in found.items()})


def _count(connection: Connection) -> None:
    # an update of one row is serialised by every database: no two changes end with the same count
    connection.execute(update(access_changes).values(count=access_changes.c.count + 1))
