"""The store of a server: opened at its first use, and asked in threads, since it blocks."""

from __future__ import annotations

import asyncio
import copy
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from pumice.service.store.store import Store

T = TypeVar("T")


class OpenStore:
    """A store that many callers of one process share.

    Args:
        open_store: Opens it; called in a thread, since it imports SQLAlchemy and may migrate the database.
    """

    def __init__(self, open_store: Callable[[], Store]) -> None:
        self._open_store = open_store
        self._store: Store | None = None
        self._opening = threading.Lock()
        self._one_at_a_time = asyncio.Lock()

    async def ask(self, work: Callable[[Store], T], by: str = "") -> T:
        """Do something in a thread.

        Args:
            work: What is done with the store.
            by: Who changes something, for the journal.

        Raises:
            PumiceError: What the work raises, or the store cannot be opened.
        """
        return await asyncio.to_thread(lambda: work(self._acting(by)))

    async def ask_alone(self, work: Callable[[Store], T], by: str = "") -> T:
        """The same for what reads or writes much: one such work at a time."""
        async with self._one_at_a_time:
            return await self.ask(work, by)

    async def close(self) -> None:
        """Close the database, if it was opened."""
        if self._store is not None:
            await asyncio.to_thread(self._store.close)

    def _acting(self, by: str) -> Store:
        """The store in somebody's name."""
        with self._opening:
            if self._store is None:
                self._store = self._open_store()
        if not by:
            return self._store
        acting = copy.copy(self._store)
        acting.by = by
        return acting
