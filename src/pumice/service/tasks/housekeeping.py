"""What is done from time to time: show that this gateway lives, find what the dead left, throw away what is old."""

from __future__ import annotations

import logging

from pumice.db.upkeep import Backlog, Expiry, Old
from pumice.domain.errors import ModelNotFound, ModelNotReady
from pumice.service.tasks import codec
from pumice.service.tasks.ids import least_id
from pumice.service.tasks.lanes import Key
from pumice.service.tasks.options import TaskOptions
from pumice.service.tasks.ports import Finder
from pumice.service.tasks.store import TaskStore

_log = logging.getLogger("pumice.tasks")


class Housekeeping:
    """Keeps the tasks' database in order.

    Args:
        store: The tasks on disk.
        catalog: What is served here.
        options: How long a lease is, and the age at which results, and tasks that nobody has run, go.
    """

    def __init__(self, store: TaskStore, catalog: Finder, options: TaskOptions) -> None:
        self._store = store
        self._catalog = catalog
        self._ttl = options.result_ttl
        self._lease = options.lease
        self._told: set[Key] = set()

    async def survey(self, now: float) -> tuple[Backlog, list[Key]]:
        """Renew the lease, free the tasks of the dead, and see what waits.

        Args:
            now: The time (s since 1970).

        Returns:
            The tasks that are not finished, and the models served here with some among them that nobody holds.

        Raises:
            StorageFailed: The database does not answer.
        """
        backlog = await self._store.tend(now, self._lease)
        return backlog, [key for key, waiting in backlog.items() if waiting.free and self._serves(key, waiting.free)]

    async def clear(self, now: float) -> list[Key]:
        """Delete old results and fail old tasks.

        Args:
            now: The time (s since 1970).

        Returns:
            The models of those that failed, one each.

        Raises:
            StorageFailed: The database does not answer.
        """
        oldest = now - self._ttl
        await self._store.purge(Old(oldest, now))
        error = ModelNotReady("", f"no server that serves it took the task within {self._ttl:g} s")
        ended = await self._store.expire(Expiry(least_id(oldest), now, codec.encode_error(error)))
        return [(state.model, state.version) for state in ended]

    def _serves(self, key: Key, count: int) -> bool:
        """Whether to take tasks of a model; those of others wait until it is served, here or by another gateway."""
        try:
            self._catalog.find(*key)
        except ModelNotFound:
            if key not in self._told:
                self._told.add(key)
                _log.warning("tasks wait for a model that is not served", extra={"model": key[0], "tasks": count})
            return False
        return True
