"""Where answers are written down. This module imports SQLAlchemy, and its methods block."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Engine

from pumice.db import answers as statements
from pumice.db import versions
from pumice.db.engine import READS
from pumice.domain.errors import RequestNotFound
from pumice.domain.store.told import Answered
from pumice.service.answers.noting import Note
from pumice.service.sources import stored_ref
from pumice.store.sessions import transaction

_PRUNE_PARTS = 20
"""The oldest lines are deleted when so small a part of those that are kept has come (1 / this)."""


class AnswerLog:
    """The answers of a database.

    Args:
        engine: The database, migrated.
        most: Answers that are kept; older ones are deleted.
    """

    def __init__(self, engine: Engine, most: int) -> None:
        self._engine = engine
        self._most = most
        self._written = 0
        self._refs: dict[str, tuple[str, str]] = {}

    def append(self, notes: Sequence[Note]) -> None:
        """Write down who answered, in one transaction.

        Raises:
            StorageFailed: It could not be written.
        """
        with transaction(self._engine) as connection:
            statements.append(connection, [self._row(connection, note) for note in notes])
            self._written += len(notes)
            if self._written >= max(1, self._most // _PRUNE_PARTS):
                statements.keep(connection, self._most)
                self._written = 0

    def close(self) -> None:
        """Close the database."""
        self._engine.dispose()

    def _row(self, connection: Connection, note: Note) -> statements.AnswerRow:
        ref, digest = self._origin(connection, note.source)
        return statements.AnswerRow(
            request=note.request,
            at=note.at,
            name=note.name,
            version=note.version,
            source=note.source,
            ref=ref,
            digest=digest,
        )

    def _origin(self, connection: Connection, source: str) -> tuple[str, str]:
        """The stored version that a source names, with its digest; empty if it is not stored."""
        if source not in self._refs:
            ref = stored_ref(source)
            record = None
            if ref is not None and ref.version is not None:
                record = versions.find(connection, ref.model, ref.version)
            self._refs[source] = ("", "") if record is None else (str(ref), record.digest)
        return self._refs[source]


def answered(engine: Engine, request: str) -> list[Answered]:
    """Which versions answered a request of this id, the last first.

    Raises:
        RequestNotFound: None was written down.
        StorageFailed: It could not be read.
    """
    with transaction(engine.execution_options(**READS)) as connection:
        found = statements.find(connection, request)
    if not found:
        raise RequestNotFound(request)
    return [Answered(**row) for row in found]
