"""The steps lead to the tables that the code expects, all of them or none."""

from pathlib import Path

import pytest
from sqlalchemy import Connection, MetaData, inspect, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from pumice.db.engine import sqlite_engine
from pumice.db.migrations import STEPS, migrate
from pumice.db.schema import metadata


def described(tables: MetaData) -> dict[str, list[str]]:
    """The DDL of every table and its indexes, as SQLite would run it."""
    return {
        table.name: [str(CreateTable(table)), *sorted(str(CreateIndex(index)) for index in table.indexes)]
        for table in tables.sorted_tables
        if table.name != "pumice_schema"
    }


def test_the_steps_make_the_tables_that_the_statements_use(tmp_path: Path) -> None:
    stepped, direct = sqlite_engine(tmp_path / "stepped"), sqlite_engine(tmp_path / "direct")
    with stepped.begin() as one, direct.begin() as other:
        assert migrate(one) == len(STEPS)
        metadata.create_all(other)
        by_steps, at_once = MetaData(), MetaData()
        by_steps.reflect(one)
        at_once.reflect(other)
    assert described(by_steps) == described(at_once)
    assert set(described(by_steps)) == set(metadata.tables)
    stepped.dispose()
    direct.dispose()


def test_a_migrated_database_is_left_as_it_is(tmp_path: Path) -> None:
    engine = sqlite_engine(tmp_path / "file")
    for _ in range(2):
        with engine.begin() as connection:
            assert migrate(connection) == len(STEPS)
    engine.dispose()


def test_only_the_steps_that_are_missing_run(tmp_path: Path) -> None:
    def one(connection: Connection) -> None:
        connection.execute(text("CREATE TABLE one (n INTEGER)"))

    def two(connection: Connection) -> None:
        connection.execute(text("ALTER TABLE one ADD COLUMN m INTEGER"))

    engine = sqlite_engine(tmp_path / "file")
    with engine.begin() as connection:
        assert migrate(connection, [one]) == 1
    with engine.begin() as connection:
        assert migrate(connection, [one, two]) == 2
        assert [column["name"] for column in inspect(connection).get_columns("one")] == ["n", "m"]
    engine.dispose()


def test_a_step_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    def half(connection: Connection) -> None:
        connection.execute(text("CREATE TABLE half (n INTEGER)"))
        raise RuntimeError("the power fails here")

    engine = sqlite_engine(tmp_path / "file")
    with pytest.raises(RuntimeError), engine.begin() as connection:
        migrate(connection, [half])
    with engine.begin() as connection:
        assert inspect(connection).get_table_names() == []
    engine.dispose()


def test_the_tables_can_be_made_in_postgresql_too() -> None:
    for table in metadata.sorted_tables:
        assert "CREATE TABLE" in str(CreateTable(table).compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]
