"""What is served of a store, and where: a lease from before a version's first replica until after its last.

A lease is a session (see `pumice.store.sessions`) with a line that says which version it is about. Its process keeps a
file locked, so the lease ends with the process on the same machine; for others it is renewed in the database.
"""

from __future__ import annotations

import contextlib
import logging
import os
import platform
import threading
from collections.abc import Callable

from sqlalchemy import Connection, Engine

from pumice.db import packs, served
from pumice.db.leases import OwnerLock
from pumice.db.postgres import time_of
from pumice.domain.errors import StorageFailed
from pumice.domain.store.records import VersionRecord
from pumice.domain.store.told import ServedAt
from pumice.service.store.lookup import resolve
from pumice.store.layout import Layout
from pumice.store.sessions import LEASE_S, RENEW_S, living, transaction

_log = logging.getLogger("pumice.store")


class ServedLease:
    """Says that this process serves a version, until it is closed or the process ends.

    Args:
        engine: The database.
        layout: The store's folder.
        clock: Seconds since 1970.
        record: The version.
        name: Name under which it is served.

    Raises:
        VersionNotFound: It was deleted meanwhile.
        StorageFailed: It could not be entered.
    """

    def __init__(
        self, engine: Engine, layout: Layout, clock: Callable[[], float], record: VersionRecord, name: str
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._closed = threading.Event()
        try:
            self._lock = OwnerLock(layout.root)
        except OSError as error:
            raise StorageFailed(str(layout.root), error.strerror or str(error)) from error
        self._row = served.ServedRow(
            session=self._lock.owner,
            model=record.model,
            version=record.version,
            name=name,
            place=f"process {os.getpid()} on {platform.node()}",
            since=clock(),
        )
        try:
            with transaction(engine) as connection:
                packs.lock(connection)
                resolve(connection, f"{record.model}@{record.version}")
                self._enter(connection)
        except BaseException:
            self._lock.release()
            raise
        # closed in an event loop, which must not wait for the database
        threading.Thread(target=self._keep, name="pumice-lease", daemon=True).start()

    def close(self) -> None:
        """Serve it no more; the database hears of it in a moment."""
        self._closed.set()

    def _keep(self) -> None:
        while not self._closed.wait(RENEW_S):
            try:
                with transaction(self._engine) as connection:
                    if not packs.renew(connection, self._row["session"], time_of(connection, self._clock()) + LEASE_S):
                        self._enter(connection)  # it was silent for so long that it was taken for dead
            except StorageFailed as error:
                _log.warning("it cannot be told what is served", extra={"problem": error.message})
        # who meets its line later finds it without its lock, so what goes wrong here does no harm
        with contextlib.suppress(StorageFailed), transaction(self._engine) as connection:
            packs.end(connection, self._row["session"])
        self._lock.release()

    def _enter(self, connection: Connection) -> None:
        packs.begin(connection, self._row["session"], time_of(connection, self._clock()) + LEASE_S)
        served.enter(connection, self._row)


def served_at(connection: Connection, layout: Layout, now: float, record: VersionRecord) -> list[ServedAt]:
    """Where a version is served now, or kept in memory to be.

    Args:
        connection: The database.
        layout: The store's folder.
        now: The time (s since 1970).
        record: The version.
    """
    rows = served.of(connection, record.model, record.version)
    if not rows:
        return []
    alive, _ = living(connection, layout, now)
    return [
        ServedAt(name=row["name"], place=row["place"], since=row["since"]) for row in rows if row["session"] in alive
    ]
