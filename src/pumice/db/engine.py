"""Opening the database: by default SQLite in write-ahead mode, one file in the home."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from pumice.db import Place, database_file
from pumice.db.arriving import PART, settle_arrival
from pumice.db.migrations import migrate
from pumice.domain.errors import BadArtefact, StorageFailed

BUSY_TIMEOUT_S = 30.0
"""How long to wait for another process that is writing (s)."""

READS: dict[str, Any] = {"pumice_reads": True}
"""Execution options of an engine whose transactions only read: they wait for no writer."""

_DAMAGED = {"SQLITE_CORRUPT", "SQLITE_NOTADB"}


def open_database(place: Place) -> Engine:
    """Open a database and migrate it; the embedded one is made if it is not there.

    Raises:
        BadSetting: Its URL is none that we know.
        MissingDependency: Its driver is not installed.
        BadArtefact: It is damaged or comes from a newer Pumice, or a restore into the home has not come to its end.
        StorageFailed: It cannot be reached, made or read.
    """
    if place.embedded:
        return open_home(place.home)
    from pumice.db.postgres import open_postgres

    if (place.home / PART).exists():
        with one_after_the_other(place.home):
            settle_arrival(place.home)
    return open_postgres(place.url)


def open_home(home: Path) -> Engine:
    """Open the embedded database, made readable for its user alone if it is not there, and migrate it.

    Raises:
        BadArtefact: The file is damaged, is no database, or comes from a newer Pumice; or a restore into the home has
            not come to its end.
        StorageFailed: The folder or the file cannot be made or read.
    """
    file = database_file(home)
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with one_after_the_other(home):
            settle_arrival(home)
            _make(file)
            return _opened(file)
    except OSError as error:
        raise StorageFailed(str(file), error.strerror or str(error)) from error


def _make(file: Path) -> None:
    """Make the file if it is not there; SQLite gives its -wal and -shm files the mode of this one.

    One that is there is not opened here: when a process closes a file, POSIX takes away all locks that it holds on it.
    Another process would then take itself for the last one, and delete the write-ahead log under our connections.
    """
    if not file.exists():
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))


@contextmanager
def one_after_the_other(home: Path) -> Iterator[None]:
    """Let one at a time open the database of a home, or restore one.

    Who meets another that changes a database to write-ahead mode would be refused at once.
    """
    folder = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _opened(file: Path) -> Engine:
    engine = sqlite_engine(file)
    try:
        with engine.begin() as connection:
            migrate(connection)
    except DatabaseError as error:
        engine.dispose()
        raise _explained(file, error) from error
    except BadArtefact:
        engine.dispose()
        raise
    return engine


def sqlite_engine(file: Path) -> Engine:
    """Make the engine of a SQLite file; nothing is opened yet."""
    engine = create_engine(URL.create("sqlite", database=str(file)), connect_args={"timeout": BUSY_TIMEOUT_S})
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    # the driver must not open transactions on its own: it would do so late, and not for DDL
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode=WAL")
    # FULL and not NORMAL: see pumice.db.group for the reason and the price
    connection.execute("PRAGMA synchronous=FULL")


def _begin(connection: Connection) -> None:
    # the write lock is taken at once: a transaction that first reads and then writes could else fail in the middle
    reads = connection.get_execution_options().keys() & READS
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _explained(file: Path, error: DatabaseError) -> BadArtefact | StorageFailed:
    name = getattr(error.orig, "sqlite_errorname", "")
    if name in _DAMAGED or not isinstance(error, OperationalError):
        return BadArtefact(
            str(file), f"not a usable database: {error.orig}", "restore it from a copy, or move it away to begin anew"
        )
    return StorageFailed(str(file), str(error.orig))
