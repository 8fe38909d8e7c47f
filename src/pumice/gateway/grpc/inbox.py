"""The messages of a call that streams, on their way to its operation."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable


class Inbox:
    """An iterator over messages that come one by one.

    Args:
        taken: Told after each message that the operation takes.

    Attributes:
        size: Of the messages that wait (bytes).
    """

    __slots__ = ("_ended", "_messages", "_taken", "_waiter", "size")

    def __init__(self, taken: Callable[[], None]) -> None:
        self._messages: deque[bytes] = deque()
        self._taken = taken
        self._waiter: asyncio.Future[None] | None = None
        self._ended = False
        self.size = 0

    def put(self, message: bytes) -> None:
        """Add a message."""
        self._messages.append(message)
        self.size += len(message)
        self._wake()

    def end(self) -> None:
        """There are no more."""
        self._ended = True
        self._wake()

    def __aiter__(self) -> Inbox:
        return self

    async def __anext__(self) -> bytes:
        while not self._messages:
            if self._ended:
                raise StopAsyncIteration
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        message = self._messages.popleft()
        self.size -= len(message)
        self._taken()
        return message

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
