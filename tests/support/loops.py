"""Waiting for what happens in the event loop of another thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future


class OnLoop:
    """Something that lives in an event loop.

    Attributes:
        loop: The loop.
    """

    loop: asyncio.AbstractEventLoop

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait, in that loop, until a condition holds there."""
        done: Future[None] = Future()

        def look() -> None:
            if done.cancelled():
                return
            if condition():
                done.set_result(None)
            else:
                self.loop.call_later(0.001, look)

        self.loop.call_soon_threadsafe(look)
        done.result(timeout=20)
