"""Who waits for which task."""

from __future__ import annotations

import asyncio


class Waiters:
    """Futures by task; done when this gateway has finished the task, or stops."""

    def __init__(self) -> None:
        self._futures: dict[str, set[asyncio.Future[None]]] = {}

    def add(self, task_id: str) -> asyncio.Future[None]:
        """Begin to wait; give the future back to `drop` whatever comes of it."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._futures.setdefault(task_id, set()).add(future)
        return future

    def drop(self, task_id: str, future: asyncio.Future[None]) -> None:
        """Wait no more."""
        futures = self._futures.get(task_id)
        if futures is not None:
            futures.discard(future)
            if not futures:
                del self._futures[task_id]

    def wake(self, task_id: str) -> None:
        """Tell those who wait for a task."""
        for future in self._futures.pop(task_id, ()):
            if not future.done():
                future.set_result(None)

    def wake_all(self) -> None:
        """Tell everybody."""
        for task_id in list(self._futures):
            self.wake(task_id)
