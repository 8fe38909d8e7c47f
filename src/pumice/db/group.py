"""Group commit: one thread owns the connection, and all calls that wait while it commits share the next transaction.

The loop is never blocked, and the price of a commit is shared: under load hundreds of calls ride on one fsync.
That is why SQLite may run with ``synchronous=FULL``, which keeps what was accepted even when the power fails (NORMAL
survives kill -9, but not that). Measured on ext4 on a virtual disk, rows of 400 bytes, ms per commit, FULL against
NORMAL: 0.37 / 0.06 alone, 0.40 / 0.12 for 8 rows, 1.0 / 0.6 for 64, 4.0 / 2.3 for 512. On a disk with a slow fsync
the latency of an accept grows by one fsync, the throughput hardly falls.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from pumice.db.postgres import is_away
from pumice.domain.errors import StorageFailed

_log = logging.getLogger("pumice.db")

Item = TypeVar("Item")
Answer = TypeVar("Answer")

MAX_GROUP = 1000
"""Most calls in one transaction, so that the first of them does not wait too long."""


@dataclass(slots=True, eq=False)
class _Call:
    """One call; `answer` or `error` is set by the thread, `future` by the loop."""

    operation: Callable[[Connection, Sequence[Any]], Sequence[Any]]
    item: Any
    future: asyncio.Future[Any]
    answer: Any = None
    error: Exception | None = None


class Database:
    """A database that is called from one event loop and works in a thread of its own.

    Args:
        engine: An engine whose transactions can write; it is disposed of when the database is closed.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="pumice-db", daemon=True)
        self._thread.start()

    def call(
        self, operation: Callable[[Connection, Sequence[Item]], Sequence[Answer]], item: Item
    ) -> asyncio.Future[Answer]:
        """Run an operation in a transaction shared with others; the future is done when the transaction is on disk.

        Calls of one operation that meet in a transaction are handed to it together, in their order. Different
        operations have no order among each other unless the first was awaited.

        Args:
            operation: Takes the connection and the items, and returns one answer an item. It must not commit, and
                may be run again, even after a commit of which nobody heard: if a group fails, each of its calls is
                tried in a transaction of its own, so that a bad item fails alone, and if the server goes away, the
                group is tried on a new connection.
            item: What it is about.

        Returns:
            A future of the answer. It raises StorageFailed if the database did not take it: then nothing was done.
        """
        future: asyncio.Future[Answer] = self._loop.create_future()
        if self._closed:
            future.set_exception(StorageFailed(str(self._engine.url), "the database is closed"))
        else:
            self._calls.put(_Call(operation, item, future))
        return future

    async def close(self) -> None:
        """Finish what was called, then close."""
        if not self._closed:
            self._closed = True
            self._calls.put(None)
        await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        open_ = True
        while open_:
            group: list[_Call] = []
            call = self._calls.get()
            while call is not None:
                group.append(call)
                if len(group) == MAX_GROUP:
                    break
                try:
                    call = self._calls.get_nowait()
                except queue.Empty:
                    break
            open_ = call is not None
            if group:
                self._commit(group)
                # a loop that is gone has nobody who waits
                with contextlib.suppress(RuntimeError):
                    self._loop.call_soon_threadsafe(_settle, group)
        self._engine.dispose()

    def _commit(self, group: list[_Call], *, again: bool = True) -> None:
        try:
            with self._engine.begin() as connection:
                _run(connection, group)
        except Exception as error:  # noqa: BLE001 the boundary of the thread: whatever it is, the caller gets it
            if is_away(error):
                self._reconnect(group, error, again=again)
            elif len(group) > 1:
                for call in group:
                    self._commit([call])
            else:
                group[0].error = self._typed(error)

    def _reconnect(self, group: list[_Call], error: Exception, *, again: bool) -> None:
        """Try once more: the connection may have been an old one, of a server that has started anew since then.

        Whether the broken transaction was committed nobody knows; operations can be run again for that too.
        """
        if again:
            self._commit(group, again=False)
            return
        _log.warning("the database is away", extra={"problem": str(getattr(error, "orig", error))})
        for call in group:
            call.error = StorageFailed("the database", "it cannot be reached")

    def _typed(self, error: Exception) -> Exception:
        if not isinstance(error, SQLAlchemyError | OSError):
            return error
        what = str(self._engine.url.database) if self._engine.dialect.name == "sqlite" else "the database"
        failure = StorageFailed(what, str(getattr(error, "orig", None) or error).partition("\n")[0])
        failure.__cause__ = error
        return failure


def _run(connection: Connection, group: list[_Call]) -> None:
    """Run the calls of a transaction, those of one operation together."""
    by_operation: dict[Callable[[Connection, Sequence[Any]], Sequence[Any]], list[_Call]] = {}
    for call in group:
        by_operation.setdefault(call.operation, []).append(call)
    for operation, calls in by_operation.items():
        answers = operation(connection, [call.item for call in calls])
        for call, answer in zip(calls, answers, strict=True):
            call.answer = answer


def _settle(group: list[_Call]) -> None:
    """Hand the answers to those who still wait; runs in the loop."""
    for call in group:
        if call.future.cancelled():
            continue
        if call.error is None:
            call.future.set_result(call.answer)
        else:
            call.future.set_exception(call.error)
