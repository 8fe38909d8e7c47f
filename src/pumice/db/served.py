"""The statements of what is served of the model store."""

from __future__ import annotations

from typing import TypedDict

from sqlalchemy import Connection, insert, select

from pumice.db.schema import store_served


class ServedRow(TypedDict):
    """A version that a process has in memory; the columns of ``store_served``."""

    session: str
    model: str
    version: int
    name: str
    place: str
    since: float


def enter(connection: Connection, row: ServedRow) -> None:
    """Note that a version is served as long as a session lives."""
    connection.execute(insert(store_served).values(**row))


def of(connection: Connection, model: str, version: int) -> list[ServedRow]:
    """Who serves a version, or did and left without a word; since the longest first."""
    where = (store_served.c.model == model, store_served.c.version == version)
    rows = connection.execute(select(store_served).where(*where).order_by(store_served.c.since)).mappings()
    return [
        ServedRow(
            session=row["session"],
            model=row["model"],
            version=row["version"],
            name=row["name"],
            place=row["place"],
            since=row["since"],
        )
        for row in rows
    ]
