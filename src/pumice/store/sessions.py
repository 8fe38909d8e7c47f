"""Sessions: pushes and pulls that are under way, and the packs that no collector takes from them.

A session pins a pack in the same transaction in which it learns that a chunk is there. From then on the collector
leaves the pack alone, until the session ends or its process is gone. Whether it is gone is told as for gateways: see
`pumice.db.leases`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Iterator
from types import TracebackType
from typing import Self

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from pumice.db import packs as statements
from pumice.db.engine import READS
from pumice.db.leases import OwnerLock, abandoned
from pumice.db.packs import Place
from pumice.db.postgres import time_of
from pumice.domain.errors import StorageFailed
from pumice.store.layout import Layout

LEASE_S = 300.0
"""How long a session of another machine is taken for alive without a sign (s)."""

RENEW_S = 60.0
"""How often a session gives a sign (s)."""


@contextlib.contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """A transaction whose failures are told as ours.

    Raises:
        StorageFailed: The database could not be read or written.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except SQLAlchemyError as error:
        raise StorageFailed("the store's database", str(getattr(error, "orig", None) or error)) from error


class Session:
    """A push or a pull. Used as a context; leaving it gives all pins back.

    Args:
        engine: The database.
        layout: The store's folder.
        clock: Seconds since 1970.
    """

    def __init__(self, engine: Engine, layout: Layout, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._reader = engine.execution_options(**READS)
        self._layout = layout
        self._clock = clock
        self._pinned: set[str] = set()
        self._renewed = 0.0

    def __enter__(self) -> Self:
        try:
            self._lock = OwnerLock(self._layout.root)
        except OSError as error:
            raise StorageFailed(str(self._layout.root), error.strerror or str(error)) from error
        self.id = self._lock.owner
        self._renewed = self._clock()
        try:
            with transaction(self._engine) as connection:
                statements.begin(connection, self.id, time_of(connection, self._renewed) + LEASE_S)
        except StorageFailed:
            self._lock.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            # the collector does it too, so what went wrong before is not hidden by this
            with contextlib.suppress(StorageFailed), transaction(self._engine) as connection:
                statements.end(connection, self.id)
        finally:
            self._lock.release()

    @property
    def pinned(self) -> frozenset[str]:
        """Packs that the session relies on."""
        return frozenset(self._pinned)

    def find(self, digests: Collection[bytes]) -> dict[bytes, Place]:
        """Where chunks lie; those that are found stay as long as the session.

        Raises:
            StorageFailed: The database failed, or took the session for dead.
        """
        self.touch()
        with transaction(self._reader) as connection:
            found = statements.find(connection, digests)
        if {place.pack for place in found.values()} <= self._pinned:
            return found
        with transaction(self._engine) as connection:
            statements.lock(connection)
            self.renew(connection)
            found = statements.find(connection, digests)
            self._pin(connection, {place.pack for place in found.values()})
        return found

    def pin(self, connection: Connection, packs: Collection[str]) -> None:
        """Rely on packs that the caller has just found in this transaction, which holds `packs.lock`."""
        self._pin(connection, set(packs))

    def touch(self) -> None:
        """Give a sign if it is time to; who does long work calls this now and then.

        Raises:
            StorageFailed: The session was taken for dead, or the database failed.
        """
        if self._clock() - self._renewed > RENEW_S:
            with transaction(self._engine) as connection:
                self.renew(connection)

    def renew(self, connection: Connection) -> None:
        """Give a sign.

        Raises:
            StorageFailed: The session was taken for dead; what it relied on may be gone.
        """
        now = self._clock()
        if not statements.renew(connection, self.id, time_of(connection, now) + LEASE_S):
            raise StorageFailed("the store", "this transfer was silent for so long that it was given up")
        self._renewed = now

    def _pin(self, connection: Connection, packs: set[str]) -> None:
        statements.pin(connection, self.id, packs - self._pinned)
        self._pinned |= packs


def living(connection: Connection, layout: Layout, now: float) -> tuple[set[str], set[str]]:
    """Tell sessions that are alive from those that are gone.

    Args:
        connection: The database.
        layout: The store's folder.
        now: The time of this host (s since 1970).

    Returns:
        The ids of both.
    """
    now = time_of(connection, now)
    gone = {
        session
        for session, until in statements.sessions(connection).items()
        if abandoned(layout.root, session, until, now)
    }
    return statements.sessions(connection).keys() - gone, gone
