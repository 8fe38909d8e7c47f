"""The steps lead to the tables that the code expects, all of them or none."""

from pathlib import Path

import pytest
from sqlalchemy import Connection, MetaData, inspect, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from pumice.db.engine import sqlite_engine
from pumice.db.migrations import STEPS, migrate, newest
from pumice.db.schema import metadata

STEP = """
from sqlalchemy import text

revision = {revision!r}
down_revision = {before!r}

def upgrade(connection):
    connection.execute(text({statement!r}))
    {more}
"""


def described(connection: Connection) -> dict[str, list[str]]:
    """The DDL of every table and its indexes, as SQLite would run it, and the rows."""
    tables = MetaData()
    tables.reflect(connection)
    return {
        table.name: [
            str(CreateTable(table)),
            *sorted(str(CreateIndex(index)) for index in table.indexes),
            *map(str, connection.execute(select(table)).all()),
        ]
        for table in tables.sorted_tables
        if table.name != "pumice_revision"
    }


def write_step(folder: Path, number: int, statement: str, more: str = "") -> None:
    """A step as one is written."""
    folder.mkdir(exist_ok=True)
    before = f"{number - 1:04d}" if number > 1 else None
    step = STEP.format(revision=f"{number:04d}", before=before, statement=statement, more=more)
    (folder / f"m{number:04d}_step.py").write_text(step)
    newest.cache_clear()


def test_the_steps_make_the_tables_that_a_new_database_has(tmp_path: Path) -> None:
    stepped, direct = sqlite_engine(tmp_path / "stepped"), sqlite_engine(tmp_path / "direct")
    with stepped.begin() as one, direct.begin() as other:
        (tmp_path / "steps").symlink_to(STEPS)
        assert migrate(one, tmp_path / "steps") == migrate(other)
        assert described(one) == described(other)
        assert set(described(one)) == set(metadata.tables)
        assert one.execute(text("SELECT version_num FROM pumice_revision")).scalar_one() == newest()
    stepped.dispose()
    direct.dispose()


def test_a_migrated_database_is_left_as_it_is(tmp_path: Path) -> None:
    engine = sqlite_engine(tmp_path / "file")
    for _ in range(2):
        with engine.begin() as connection:
            assert migrate(connection) == newest()
    engine.dispose()


def test_only_the_steps_that_are_missing_run(tmp_path: Path) -> None:
    steps = tmp_path / "steps"
    engine = sqlite_engine(tmp_path / "file")
    write_step(steps, 1, "CREATE TABLE one (n INTEGER)")
    with engine.begin() as connection:
        assert migrate(connection, steps) == "0001"
    write_step(steps, 2, "ALTER TABLE one ADD COLUMN m INTEGER")
    with engine.begin() as connection:
        assert migrate(connection, steps) == "0002"
        assert [column["name"] for column in inspect(connection).get_columns("one")] == ["n", "m"]
    engine.dispose()


def test_a_step_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    steps = tmp_path / "steps"
    write_step(steps, 1, "CREATE TABLE whole (n INTEGER)")
    write_step(steps, 2, "CREATE TABLE half (n INTEGER)", "raise RuntimeError('the power fails here')")
    engine = sqlite_engine(tmp_path / "file")
    with pytest.raises(RuntimeError), engine.begin() as connection:
        migrate(connection, steps)
    with engine.begin() as connection:
        assert inspect(connection).get_table_names() == []
    engine.dispose()


def test_the_tables_can_be_made_in_postgresql_too() -> None:
    for table in metadata.sorted_tables:
        assert "CREATE TABLE" in str(CreateTable(table).compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]
