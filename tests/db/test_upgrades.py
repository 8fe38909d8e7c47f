"""Databases as each earlier Pumice left them: made by its own code, a row in each table."""

import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy import Engine, MetaData, inspect, select, text

from pumice.db import Place, database_file
from pumice.db.engine import open_database
from pumice.db.migrations import newest
from pumice.db.schema import metadata
from tests.support.postgres import Cluster

SCHEMAS = Path(__file__).with_name("schemas")
Rows = dict[str, list[dict[str, object]]]


def restored(kind: str, number: str, folder: Path, cluster: Cluster | None) -> Place:
    """A database of an earlier schema."""
    dump = (SCHEMAS / f"{kind}-{number}.sql").read_text()
    if cluster is None:
        with sqlite3.connect(database_file(folder)) as made:
            made.executescript(dump)
        made.close()
        database_file(folder).chmod(0o600)
        return Place(folder)
    import psycopg

    url = cluster.new_database()
    with psycopg.connect(url) as connection:
        connection.execute(dump.encode())
    return Place(folder, url)


def rows(engine: Engine) -> Rows:
    """Everything that is in it."""
    tables = MetaData()
    with engine.connect() as connection:
        tables.reflect(connection)
        return {
            table.name: [dict(row) for row in connection.execute(select(table)).mappings()]
            for table in tables.sorted_tables
        }


def forms(engine: Engine) -> dict[str, object]:
    """Tables with their columns, keys and indexes."""
    seen = inspect(engine)
    return {
        table: (
            [(column["name"], str(column["type"]), column["nullable"]) for column in seen.get_columns(table)],
            seen.get_pk_constraint(table)["constrained_columns"],
            sorted((str(index["name"]), index["column_names"]) for index in seen.get_indexes(table)),
        )
        for table in metadata.tables
    }


def contains(now: Rows, before: Rows) -> None:
    for table, old in before.items():
        if table != "pumice_schema":
            kept = [{key: row[key] for key in old[0]} for row in now[table]] if old else []
            assert kept == old, table


def dumps(kind: str) -> list[str]:
    return sorted(path.stem.partition("-")[2] for path in SCHEMAS.glob(f"{kind}-*.sql"))


@pytest.mark.parametrize("number", dumps("sqlite"))
def test_the_embedded_database_of_an_earlier_pumice_is_brought_up(number: str, tmp_path: Path) -> None:
    place = restored("sqlite", number, tmp_path, None)
    check(place, Place(tmp_path / "new"))


@pytest.mark.parametrize("number", dumps("postgres"))
def test_the_postgresql_database_of_an_earlier_pumice_is_brought_up(
    number: str, tmp_path: Path, cluster: Cluster
) -> None:
    place = restored("postgres", number, tmp_path, cluster)
    check(place, Place(tmp_path, cluster.new_database()))


def check(place: Place, empty: Place) -> None:
    """Open it by four at once, and hold it against what was there and what a new one has."""
    from pumice.db.engine import sqlite_engine
    from pumice.db.postgres import postgres_engine

    raw = postgres_engine(place.url) if place.url else sqlite_engine(database_file(place.home))
    before = rows(raw)
    raw.dispose()
    opened: list[Engine] = []
    threads = [threading.Thread(target=lambda: opened.append(open_database(place))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    fresh = open_database(empty)
    assert len(opened) == 4
    contains(rows(opened[0]), before)
    assert forms(opened[0]) == forms(fresh)
    with opened[0].connect() as connection:
        assert connection.execute(text("SELECT version_num FROM pumice_revision")).scalars().all() == [newest()]
        # who was here before it was counted so is told that a newer one was
        assert connection.execute(text("SELECT version FROM pumice_schema")).scalar_one() > 1000
    for engine in (*opened, fresh):
        engine.dispose()
