"""All rows of a database, copied to another one of whatever kind: what a backup writes and a restore reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Select, Table, delete, func, insert, select, text

from pumice.db.postgres import is_postgres
from pumice.db.schema import (
    FIRST_ROWS,
    metadata,
    owners,
    store_chunks,
    store_loose,
    store_packs,
    store_pins,
    store_served,
    store_sessions,
    store_uses,
)

_PAGE = 5000
"""Rows that are in memory at once."""

PASSING = frozenset({owners, store_sessions, store_pins, store_served})
"""Tables of what is under way: it ends with the processes that do it."""


def copy_rows(source: Connection, target: Connection, told: Callable[[], None] = lambda: None) -> None:
    """Copy every row but those of what is under way, and of packs that no version uses.

    Args:
        source: A transaction that sees one state of its database.
        target: A transaction on an empty database of the newest form.
        told: Told now and then that it goes on.
    """
    for table, _ in FIRST_ROWS:
        target.execute(delete(table))
    for table in metadata.sorted_tables:
        if table in PASSING:
            continue
        found = source.execution_options(yield_per=_PAGE).execute(_rows(table))
        for page in found.partitions():
            target.execute(insert(table), [dict(row._mapping) for row in page])  # noqa: SLF001 - its public name
            told()
        if is_postgres(target):
            _count_on(target, table)


def any_row(connection: Connection) -> str:
    """Name of a table that has a row which a restore would meet; empty: there is none."""
    first = {table for table, _ in FIRST_ROWS}
    for table in metadata.sorted_tables:
        if table not in first and connection.execute(select(*table.primary_key).limit(1)).first() is not None:
            return table.name
    return ""


def _rows(table: Table) -> Select[Any]:
    used = select(store_uses.c.pack)
    if table is store_packs:
        return select(table).where(table.c.id.in_(used))
    if table in {store_chunks, store_loose}:
        return select(table).where(table.c.pack.in_(used))
    return select(table)


def _count_on(connection: Connection, table: Table) -> None:
    """Let a table go on with the numbers that it gives to its rows."""
    column = table.autoincrement_column
    if column is not None and column.autoincrement is not False:
        last = connection.execute(select(func.max(column))).scalar()
        if last is not None:
            wish = {"table": table.name, "column": column.name, "last": last}
            connection.execute(text("SELECT setval(pg_get_serial_sequence(:table, :column), :last)"), wish)
