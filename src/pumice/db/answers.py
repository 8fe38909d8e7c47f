"""The statements of answers: which version answered which request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from sqlalchemy import Connection, delete, func, insert, select

from pumice.db.schema import answers

MOST_FOUND = 100
"""Answers to one id that are given at most: callers choose their ids, and may choose one again and again."""


class AnswerRow(TypedDict):
    """An answer; the columns of ``answers`` but its number."""

    request: str
    at: float
    name: str
    version: str
    source: str
    ref: str
    digest: str


def append(connection: Connection, rows: Sequence[AnswerRow]) -> None:
    """Add answers."""
    connection.execute(insert(answers), [{**row} for row in rows])


def keep(connection: Connection, most: int) -> None:
    """Delete all but the newest."""
    last = connection.execute(select(func.max(answers.c.id))).scalar()
    if last is not None:
        connection.execute(delete(answers).where(answers.c.id <= last - most))


def find(connection: Connection, request: str) -> list[AnswerRow]:
    """Answers to requests of an id, the last first."""
    columns = [column for column in answers.c if column.name != "id"]
    wanted = select(*columns).where(answers.c.request == request).order_by(answers.c.id.desc()).limit(MOST_FOUND)
    return [
        AnswerRow(
            request=row["request"],
            at=row["at"],
            name=row["name"],
            version=row["version"],
            source=row["source"],
            ref=row["ref"],
            digest=row["digest"],
        )
        for row in connection.execute(wanted).mappings()
    ]
