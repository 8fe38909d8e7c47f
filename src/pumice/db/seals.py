"""The statements of wrapped data keys."""

from __future__ import annotations

from typing import Any, TypedDict

from sqlalchemy import Connection, Row, insert, select, update

from pumice.db.schema import store_seals


class SealRow(TypedDict):
    """The wrapped data key of a version; the columns of ``store_seals``."""

    model: str
    version: int
    key_id: str
    wrapped: bytes
    sealed: float


def add(connection: Connection, row: SealRow) -> None:
    """Enter the key of a new version."""
    connection.execute(insert(store_seals), [dict(row)])


def find(connection: Connection, model: str, version: int) -> SealRow | None:
    """The key of a version, or None."""
    where = (store_seals.c.model == model, store_seals.c.version == version)
    row = connection.execute(select(store_seals).where(*where)).one_or_none()
    return None if row is None else _row(row)


def every(connection: Connection, model: str = "") -> list[SealRow]:
    """The keys of a model's versions, or of all, in order."""
    wanted = select(store_seals).order_by(store_seals.c.model, store_seals.c.version)
    return [_row(row) for row in connection.execute(wanted.where(store_seals.c.model == model) if model else wanted)]


def replace(connection: Connection, before: SealRow, after: SealRow) -> bool:
    """Put a key that is wrapped anew in the place of the one before; whether that one was still there."""
    where = (
        store_seals.c.model == before["model"],
        store_seals.c.version == before["version"],
        store_seals.c.wrapped == before["wrapped"],
    )
    return bool(connection.execute(update(store_seals).where(*where).values(**after)).rowcount)


def _row(row: Row[Any]) -> SealRow:
    return SealRow(
        model=row.model, version=row.version, key_id=row.key_id, wrapped=bytes(row.wrapped), sealed=row.sealed
    )
