"""Forward-only steps of the schema. Version N of a database has run the first N of `STEPS`; a step is never changed.

A new step is a module here and its function at the end of `STEPS`. All steps that a database lacks run in one
transaction, DDL included, so it is either of its old version or of the newest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, inspect, text

from pumice.db.migrations import m0001_tasks, m0002_task_life, m0003_keys, m0004_store, m0005_loose_packs
from pumice.domain.errors import BadArtefact

Step = Callable[[Connection], None]

STEPS: Sequence[Step] = (
    m0001_tasks.upgrade,
    m0002_task_life.upgrade,
    m0003_keys.upgrade,
    m0004_store.upgrade,
    m0005_loose_packs.upgrade,
)


def migrate(connection: Connection, steps: Sequence[Step] = STEPS) -> int:
    """Bring a database to the newest version, inside the caller's transaction.

    The transaction must shut out other writers from its beginning, so that two processes never migrate at once.

    Returns:
        The version that it has now.

    Raises:
        BadArtefact: A newer Pumice wrote it.
    """
    if not inspect(connection).has_table("pumice_schema"):
        connection.execute(text("CREATE TABLE pumice_schema (version INTEGER NOT NULL)"))
        connection.execute(text("INSERT INTO pumice_schema (version) VALUES (0)"))
    version: int = connection.execute(text("SELECT version FROM pumice_schema")).scalar_one()
    if version > len(steps):
        raise BadArtefact(
            connection.engine.url.render_as_string(),
            f"its schema has version {version}, this Pumice knows versions up to {len(steps)}",
            "update Pumice, or set PUMICE_HOME to another folder",
        )
    for step in steps[version:]:
        step(connection)
    if version < len(steps):
        connection.execute(text("UPDATE pumice_schema SET version = :version"), {"version": len(steps)})
    return len(steps)
