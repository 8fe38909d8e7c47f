"""PostgreSQL: the database of several gateways, on one host or on many."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from pumice.db.migrations import migrate
from pumice.domain.errors import BadArtefact, BadSetting, MissingDependency, StorageFailed

ALLOWED = "postgresql://USER:PASSWORD@HOST:PORT/DATABASE, or nothing for the file in the home"

_DRIVERS = frozenset({"postgresql", "postgresql+psycopg"})

_CONNECT: dict[str, Any] = {
    "application_name": "pumice",
    "connect_timeout": 5,
    # a server that is gone without a word is noticed within half a minute, not after the system's two hours
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}

_PREPARE = "SET statement_timeout = '30s'; SET idle_in_transaction_session_timeout = '60s'"

_MIGRATION_LOCK = 0x50554D494345
"""Key of the advisory lock under which the schema is changed: "PUMICE" as a number."""

_CLOCK = text("SELECT extract(epoch FROM clock_timestamp())::float8")

_GONE = ("08", "57P")
"""SQLSTATEs of a connection that broke, and of a server that stops or starts."""


def open_postgres(url: str) -> Engine:
    """Connect and migrate; gateways that start together do so one after the other.

    Raises:
        BadSetting: The URL is none, or of another database.
        MissingDependency: The driver is not installed.
        BadArtefact: The database comes from a newer Pumice, or the user may not make tables.
        StorageFailed: It cannot be reached.
    """
    engine = postgres_engine(url)
    try:
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            migrate(connection)
    except DBAPIError as error:
        engine.dispose()
        told = first_line(error)
        if isinstance(error, OperationalError):
            raise StorageFailed("the database", told) from error
        raise BadArtefact(engine.url.render_as_string(), told, "let its user make tables there") from error
    except BadArtefact:
        engine.dispose()
        raise
    return engine


def postgres_engine(url: str) -> Engine:
    """Make the engine; nothing is connected yet.

    Raises:
        BadSetting: The URL is none, or of another database.
        MissingDependency: The driver is not installed.
    """
    made = _parsed(url)
    if find_spec("psycopg") is None:
        raise MissingDependency("the setting 'database'", "psycopg", "pip install 'pumice[postgres]'")
    told = {name: value for name, value in _CONNECT.items() if name not in made.query}
    # the database's thread works on one connection
    engine = create_engine(made.set(drivername="postgresql+psycopg"), pool_size=1, connect_args=told)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def is_postgres(connection: Connection) -> bool:
    """Whether it leads to PostgreSQL."""
    return connection.dialect.name == "postgresql"


def time_of(connection: Connection, here: float) -> float:
    """The time by which leases are judged (s since 1970): hosts that share a server may not agree on theirs.

    Args:
        connection: The database.
        here: The time of this host, which is good for a database on it.
    """
    return float(connection.execute(_CLOCK).scalar_one()) if is_postgres(connection) else here


def is_away(error: Exception) -> bool:
    """Whether an error says that the server cannot be reached, so that trying other statements makes no sense."""
    if not isinstance(error, DBAPIError) or not hasattr(error.orig, "sqlstate"):
        return False
    state = getattr(error.orig, "sqlstate", None) or ""
    # without a state, it is the driver that says so
    gone = not state or state.startswith(_GONE)
    return error.connection_invalidated or (gone and isinstance(error, OperationalError))


def first_line(error: DBAPIError) -> str:
    """What the server or the driver says, in a line."""
    return str(error.orig).partition("\n")[0]


def _parsed(url: str) -> URL:
    try:
        made = make_url(url)
    except (ArgumentError, ValueError):
        raise BadSetting("database", "something that is no URL", ALLOWED) from None
    if made.drivername not in _DRIVERS:
        raise BadSetting("database", made.drivername, ALLOWED)
    return made


def _begin(connection: Connection) -> None:
    # one state of the database for all queries of a transaction that only reads, as SQLite gives it
    if "pumice_reads" in connection.get_execution_options():
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")


def _prepare(connection: Any, _entry: ConnectionPoolEntry) -> None:
    connection.execute(_PREPARE)
    connection.commit()
