"""One request on its way through the front process."""

from __future__ import annotations

from asyncio import TimerHandle
from collections.abc import Callable, Hashable
from typing import Protocol

from pumice.domain.errors import PumiceError
from pumice.domain.request import InferRequest, InferResult

Done = Callable[[InferResult | None, PumiceError | None], None]
"""Called once, in the event loop, with the answer or the error."""

MAX_ATTEMPTS = 2
"""Replicas that may die with one request alone in them: it is tried once more, whoever was with it before."""


class Place(Protocol):
    """Where a request waits."""

    def discard(self, ticket: Ticket) -> None:
        """Take it out."""


class Ticket:
    """A request that waits, runs, and is answered exactly once.

    Attributes:
        request: What is asked.
        key: Requests with equal keys may share a batch.
        enqueued: When it began to wait, on the monotonic clock (s).
        attempts: Replicas that died while they ran it.
        alone: To be run without batch-mates, since a batch with it failed.
        finished: The answer was given, or nobody waits for it.
        place: Where it waits; None while it does not.
        expected: Wait that was expected when it was admitted (s); 0: it found nobody before it.
    """

    __slots__ = (
        "_done",
        "_dropped",
        "_timer",
        "alone",
        "attempts",
        "enqueued",
        "expected",
        "finished",
        "key",
        "place",
        "request",
    )

    def __init__(self, request: InferRequest, key: Hashable, enqueued: float, done: Done) -> None:
        self.request = request
        self.key = key
        self.enqueued = enqueued
        self.attempts = 0
        self.alone = False
        self.finished = False
        self.place: Place | None = None
        self.expected = 0.0
        self._done: Done | None = done
        self._timer: TimerHandle | None = None
        self._dropped: Callable[[], None] | None = None

    def on_cancel(self, dropped: Callable[[], None]) -> None:
        """Have something called when the request is over, whatever way: for what it was cut into."""
        self._dropped = dropped

    def expire_by(self, timer: TimerHandle) -> None:
        """Keep the timer of the request's deadline, to stop it when the answer is there."""
        self._timer = timer

    def succeed(self, result: InferResult) -> None:
        """Give the answer."""
        done = self._done
        if done is not None and not self.finished:
            self.cancel()
            done(result, None)

    def fail(self, error: PumiceError) -> None:
        """Give the error."""
        done = self._done
        if done is not None and not self.finished:
            self.cancel()
            done(None, error)

    def cancel(self) -> None:
        """Nobody waits any more: it leaves the queue, or its answer is thrown away."""
        self.finished = True
        if self.place is not None:
            self.place.discard(self)
        self._done = None  # it leads back to the connection: without the circle no garbage is left to collect
        if self._timer is not None:
            self._timer.cancel()
        dropped, self._dropped = self._dropped, None
        if dropped is not None:
            dropped()
