"""Python models that answer in parts: their ``predict`` is a generator, plain or asynchronous."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

import numpy as np

from pumice.engines.base import Parts

T = TypeVar("T")

Finish = Callable[[object], dict[str, np.ndarray]]
"""Checks what the model gave, and turns text in it into bytes."""

ASYNC_CONCURRENCY = 16
"""Streams of an asynchronous model that run at once, unless it says otherwise; plain ones run one at a time."""


class GeneratorParts(Parts):
    """The parts of a generator.

    Args:
        generator: What ``predict`` gave.
        finish: Makes a part of what it yields.
    """

    def __init__(self, generator: Iterator[object], finish: Finish) -> None:
        self._generator = generator
        self._finish = finish

    def __next__(self) -> dict[str, np.ndarray]:
        """Run the generator to its next ``yield``."""
        return self._finish(next(self._generator))

    def close(self) -> None:
        """Let the generator's ``finally`` run."""
        close: Callable[[], None] | None = getattr(self._generator, "close", None)
        if close:
            close()


class AsyncParts(Parts):
    """The parts of an asynchronous generator, which runs in the loop of all streams of its model.

    Args:
        generator: What ``predict`` gave.
        finish: Makes a part of what it yields.
        loop: Runs it.
    """

    def __init__(self, generator: AsyncGenerator[object, None], finish: Finish, loop: LoopThread) -> None:
        self._generator = generator
        self._finish = finish
        self._loop = loop
        self._pending: Future[object] | None = None

    def __next__(self) -> dict[str, np.ndarray]:
        """Run the generator to its next ``yield``."""
        self._pending = pending = self._loop.begin(self._next())
        try:
            return self._finish(pending.result())
        except StopAsyncIteration:
            raise StopIteration from None
        except CancelledError:
            raise StopIteration from None

    def close(self) -> None:
        """Let the generator's ``finally`` run."""
        self._loop.begin(self._generator.aclose()).result()

    def cancel(self) -> None:
        """Cancel what the generator waits for."""
        if self._pending is not None:
            self._pending.cancel()

    async def _next(self) -> object:
        return await anext(self._generator)


class LoopThread:
    """An event loop in a thread of its own, started with the first thing that it is to run."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()

    def begin(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine there."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="model loop", daemon=True).start()
        return asyncio.run_coroutine_threadsafe(work, self._loop)
