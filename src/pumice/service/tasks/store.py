"""Tasks on disk, for the loop: every call is a future of the database's thread.

This module imports SQLAlchemy, so it is itself imported at the first task.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence

from pumice.db import Place, upkeep
from pumice.db import tasks as operations
from pumice.db.engine import open_database
from pumice.db.group import Database
from pumice.db.leases import OwnerLock
from pumice.db.tasks import Claim, Claimed, Ending, PartRow, TaskRow, TaskState
from pumice.db.upkeep import Backlog, Expiry, Old, Presence
from pumice.domain.errors import StorageFailed

RECENT_BYTES = 8 * 1024 * 1024
"""Outcomes of this size together stay in memory for those who will soon ask for them (bytes)."""


class TaskStore:
    """The tasks in a database, and this gateway's hold on some of them.

    Args:
        place: Where the database is.
        database: The database.
        lock: The proof that this gateway lives.
    """

    def __init__(self, place: Place, database: Database, lock: OwnerLock) -> None:
        self._place = place
        self.database = database
        self._lock = lock
        self._recent: OrderedDict[str, TaskState] = OrderedDict()
        self._recent_bytes = 0

    @classmethod
    async def open(cls, place: Place) -> TaskStore:
        """Open the database; the embedded one is made if it is not there.

        Raises:
            BadSetting: Its URL is none that we know.
            MissingDependency: Its driver is not installed.
            BadArtefact: It is damaged or of a newer Pumice.
            StorageFailed: It cannot be reached, or the home cannot be written.
        """
        engine = await asyncio.to_thread(open_database, place)
        try:
            lock = await asyncio.to_thread(OwnerLock, place.home)
        except OSError as error:
            engine.dispose()
            raise StorageFailed(str(place.home), error.strerror or str(error)) from error
        return cls(place, Database(engine), lock)

    @property
    def owner(self) -> str:
        """This gateway's id."""
        return self._lock.owner

    def accept(self, row: TaskRow) -> asyncio.Future[None]:
        """Add a task; once the future is done it survives the power's failure."""
        return self.database.call(operations.accept, row)

    async def finish(self, ending: Ending) -> TaskState | None:
        """Replace a task by its result; None if it was finished or cancelled before."""
        state = await self.database.call(operations.finish, ending)
        if state is not None:
            self._recent[state.id] = state
            self._recent_bytes += len(state.outcome or b"")
            while self._recent_bytes > RECENT_BYTES:
                self._drop_oldest()
        return state

    async def forget(self, task_id: str) -> None:
        """Delete a result."""
        await self.database.call(operations.forget, task_id)
        state = self._recent.pop(task_id, None)
        if state is not None:
            self._recent_bytes -= len(state.outcome or b"")

    async def find(self, task_id: str) -> TaskState | None:
        """Look a task up."""
        return self._recent.get(task_id) or await self.database.call(operations.find, task_id)

    async def load(self, task_id: str) -> bytes | None:
        """Read a task's request; None if it is finished."""
        return await self.database.call(operations.load, task_id)

    async def unfinished(self, task_ids: Sequence[str]) -> set[str]:
        """Tell which of some tasks are not finished."""
        return await self.database.call(operations.unfinished, task_ids)

    async def keep_part(self, part: PartRow) -> bool:
        """Keep finished rows of a task; False if the task is no more."""
        return await self.database.call(operations.keep_part, part)

    async def parts_of(self, task_id: str) -> list[PartRow]:
        """Read the finished rows of a task."""
        return await self.database.call(operations.parts_of, task_id)

    async def forget_parts(self, task_id: str) -> None:
        """Delete the finished rows of a task."""
        await self.database.call(operations.forget_parts, task_id)

    async def claim(self, model: str, version: str, limit: int) -> list[Claimed]:
        """Take tasks that nobody holds."""
        return await self.database.call(operations.claim, Claim(self.owner, model, version, limit))

    async def tend(self, now: float, lease: float) -> Backlog:
        """Show that this gateway lives, free what the dead held, and tell what is not finished."""
        return await self.database.call(upkeep.tend, Presence(self.owner, self._place.home, now, lease))

    async def purge(self, old: Old) -> None:
        """Delete the results whose time is over, and what is left of tasks that are no more."""
        while self._recent and (next(iter(self._recent.values())).finished or 0.0) < old.before:
            self._drop_oldest()
        while await self.database.call(upkeep.purge, old) == upkeep.PAGE:
            pass
        await self.database.call(upkeep.sweep_parts, None)

    async def expire(self, expiry: Expiry) -> list[TaskState]:
        """Fail tasks that nobody holds and that are too old; tell which."""
        ended: list[TaskState] = []
        while page := await self.database.call(upkeep.expire, expiry):
            ended += page
        return ended

    async def close(self) -> None:
        """Give back what is not finished and close.

        Raises:
            StorageFailed: It could not be given back; the next gateway finds that this one is gone all the same.
        """
        try:
            await self.database.call(upkeep.leave, self.owner)
        finally:
            await self.database.close()
            self._lock.release()

    def _drop_oldest(self) -> None:
        _, old = self._recent.popitem(last=False)
        self._recent_bytes -= len(old.outcome or b"")
