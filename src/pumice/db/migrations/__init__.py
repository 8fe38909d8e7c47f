"""Forward-only steps of the schema, run by alembic.

A new step is a module in `versions`, named by the next free number: its ``revision`` is that number in four digits, its
``down_revision`` the one before, and its ``upgrade(connection)`` is called inside the transaction that brings the
database to its newest form. `pumice.db.schema` has the tables as they are then, and the rows that are in them from the
beginning. A step that has been published is never changed.

All steps that a database lacks run in one transaction, DDL included, so it is either of its old form or of the newest.
An empty database is made in its newest form at once, without alembic, which takes 0.1 s and 12 MB to import.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, insert, inspect, select, update

from pumice.db import schema
from pumice.domain.errors import BadArtefact

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext, MigrationStep

STEPS: Final = Path(__file__).with_name("versions")

_REVISIONS = Table("pumice_revision", MetaData(), Column("version_num", String(32), primary_key=True))
"""Ours alone: in a shared PostgreSQL database, `alembic_version` may be of another program."""

_NUMBERS = Table("pumice_schema", MetaData(), Column("version", Integer, nullable=False))
"""Where versions of Pumice that did not use alembic kept the number of steps that had run."""

_TAKEN_OVER = 1_000_000
"""Tells such a version, should it come back, that a newer one was here."""


@cache
def newest(steps: Path = STEPS) -> str:
    """The revision of a database in its newest form."""
    return max(path.stem[1:5] for path in steps.glob("m[0-9][0-9][0-9][0-9]_*.py"))


def migrate(connection: Connection, steps: Path = STEPS) -> str:
    """Bring a database to its newest form, inside the caller's transaction.

    The transaction must shut out other writers from its beginning, so that two processes never migrate at once.

    Args:
        connection: The database.
        steps: Folder of the steps.

    Returns:
        The revision that it has now.

    Raises:
        BadArtefact: A newer Pumice wrote it.
    """
    last = newest(steps)
    found = _revision(connection)
    if found == last:
        return last
    if found > last:
        raise BadArtefact(
            connection.engine.url.render_as_string(),
            f"its schema has version {int(found)}, this Pumice knows versions up to {int(last)}",
            "update Pumice, or set PUMICE_HOME to another folder",
        )
    if not found and steps == STEPS:
        _make(connection)
    else:
        _upgrade(connection, steps)
    return last


def _revision(connection: Connection) -> str:
    """Its revision; empty if it has none yet."""
    tables = set(inspect(connection).get_table_names())
    if _REVISIONS.name in tables:
        return connection.execute(select(_REVISIONS.c.version_num)).scalar() or ""
    if _NUMBERS.name not in tables:
        return ""
    number: int = connection.execute(select(_NUMBERS.c.version)).scalar_one()
    found = f"{number:04d}" if number else ""
    if found <= newest():
        connection.execute(update(_NUMBERS).values(version=_TAKEN_OVER))
        _note(connection, found)
    return found


def _note(connection: Connection, revision: str) -> None:
    _REVISIONS.create(connection)
    if revision:
        connection.execute(insert(_REVISIONS).values(version_num=revision))


def _make(connection: Connection) -> None:
    schema.metadata.create_all(connection, checkfirst=False)
    for table, row in schema.FIRST_ROWS:
        connection.execute(insert(table).values(**row))
    _REVISIONS.create(connection, checkfirst=True)
    connection.execute(insert(_REVISIONS).values(version_num=newest()))


def _upgrade(connection: Connection, steps: Path) -> None:
    from alembic.runtime.migration import MigrationContext, MigrationStep
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(steps.parent), version_locations=[str(steps)])

    def lacking(heads: str | tuple[str, ...], _context: MigrationContext) -> list[MigrationStep]:
        found = [*scripts.iterate_revisions("head", heads, implicit_base=True)]
        return [MigrationStep.upgrade_from_script(scripts.revision_map, script) for script in reversed(found)]

    # without its environment, which lives in the interpreter's globals: threads may open databases at once
    options = {"fn": lacking, "version_table": _REVISIONS.name}
    MigrationContext.configure(connection, opts=options).run_migrations(connection=connection)
