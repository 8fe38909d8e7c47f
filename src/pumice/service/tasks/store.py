"""Tasks on disk, for the loop: every call is a future of the database's thread.

This module imports SQLAlchemy, so it is itself imported at the first task.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from pathlib import Path

from pumice.db import database_file
from pumice.db import tasks as operations
from pumice.db.engine import open_home
from pumice.db.group import Database
from pumice.db.leases import OwnerLock
from pumice.db.tasks import Backlog, Claim, Claimed, Expiry, Presence, ResultRow, TaskRow, TaskState
from pumice.domain.errors import StorageFailed

RECENT_BYTES = 8 * 1024 * 1024
"""Outcomes of this size together stay in memory for those who will soon ask for them (bytes)."""


class TaskStore:
    """The tasks of a home, and this gateway's hold on some of them.

    Args:
        home: The home.
        database: Its database.
        lock: The proof that this gateway lives.
    """

    def __init__(self, home: Path, database: Database, lock: OwnerLock) -> None:
        self._home = home
        self._database = database
        self._lock = lock
        self._recent: OrderedDict[str, TaskState] = OrderedDict()
        self._recent_bytes = 0

    @classmethod
    async def open(cls, home: Path) -> TaskStore:
        """Open the home's database; it is made if it is not there.

        Raises:
            BadArtefact: The database is damaged or of a newer Pumice.
            StorageFailed: The home cannot be written.
        """
        engine = await asyncio.to_thread(open_home, home)
        try:
            lock = await asyncio.to_thread(OwnerLock, home)
        except OSError as error:
            engine.dispose()
            raise StorageFailed(str(database_file(home)), error.strerror or str(error)) from error
        return cls(home, Database(engine), lock)

    @property
    def owner(self) -> str:
        """This gateway's id."""
        return self._lock.owner

    def accept(self, row: TaskRow) -> asyncio.Future[None]:
        """Add a task; once the future is done it survives the power's failure."""
        return self._database.call(operations.accept, row)

    async def finish(self, row: ResultRow) -> None:
        """Replace a task by its result, unless another gateway has finished it."""
        if not await self._database.call(operations.finish, row):
            return
        self._recent[row["id"]] = TaskState(**row)
        self._recent_bytes += len(row["outcome"])
        while self._recent_bytes > RECENT_BYTES:
            self._drop_oldest()

    async def find(self, task_id: str) -> TaskState | None:
        """Look a task up."""
        return self._recent.get(task_id) or await self._database.call(operations.find, task_id)

    async def load(self, task_id: str) -> bytes | None:
        """Read a task's request; None if it is finished."""
        return await self._database.call(operations.load, task_id)

    async def claim(self, model: str, version: str, limit: int) -> list[Claimed]:
        """Take tasks that nobody holds."""
        return await self._database.call(operations.claim, Claim(self.owner, model, version, limit))

    async def tend(self, now: float) -> Backlog:
        """Show that this gateway lives, free what the dead held, and tell what nobody holds."""
        return await self._database.call(operations.tend, Presence(self.owner, self._home, now))

    async def purge(self, before: float) -> None:
        """Delete the results that finished before a moment (s since 1970)."""
        while self._recent and (next(iter(self._recent.values())).finished or 0.0) < before:
            self._drop_oldest()
        while await self._database.call(operations.purge, before) == operations.PAGE:
            pass

    async def expire(self, expiry: Expiry) -> None:
        """Fail tasks that nobody holds and that are too old."""
        while await self._database.call(operations.expire, expiry) == operations.PAGE:
            pass

    async def close(self) -> None:
        """Give back what is not finished and close.

        Raises:
            StorageFailed: It could not be given back; the next gateway finds that this one is gone all the same.
        """
        try:
            await self._database.call(operations.leave, self.owner)
        finally:
            await self._database.close()
            self._lock.release()

    def _drop_oldest(self) -> None:
        _, old = self._recent.popitem(last=False)
        self._recent_bytes -= len(old.outcome or b"")
