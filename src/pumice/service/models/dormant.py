"""A version that is not in memory, in the place that it has in the catalog."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from pumice.domain.errors import DeadlineExceeded, ModelNotReady, Overloaded
from pumice.domain.model import Profile
from pumice.domain.request import InferRequest, InferResult
from pumice.runtime.front.ticket import Done, Ticket
from pumice.runtime.front.version import ServedVersion
from pumice.service.models.entry import Entry


class Dormant(ServedVersion):
    """A version that the next request loads. It can be asked, so it counts as ready unless its last load failed.

    Args:
        entry: What is known of it.
        load: Loads it, or joins the load that is under way.
        max_waiting: Most requests that wait for that.

    Attributes:
        entry: What is known of it.
    """

    dormant = True

    def __init__(self, entry: Entry, load: Callable[[], Awaitable[ServedVersion]], max_waiting: int) -> None:
        # it has nothing of a version in memory but what faces look at
        self.name = entry.settings.name
        self.version = entry.settings.version
        self.profile = entry.profile
        self.stats = entry.stats
        self.replicas = []
        self.entry = entry
        self._load = load
        self._max_waiting = max_waiting

    @property
    def ready(self) -> bool:
        """Whether it can be asked."""
        return not self.entry.resting

    @property
    def reason(self) -> str:
        """Why it is not in memory."""
        return self.entry.reason

    @property
    def max_batch_size(self) -> int:
        """Most rows of a batch."""
        return self.entry.settings.max_batch_size or 1

    @property
    def depth(self) -> int:
        """Requests that wait for it to be loaded."""
        return self.entry.waiting

    @property
    def inflight(self) -> int:
        """The same: none runs."""
        return self.entry.waiting

    def check(self, request: InferRequest) -> Profile:
        """Refuse: there is nothing to hold a request against.

        Raises:
            ModelNotReady: Always.
        """
        del request
        raise ModelNotReady(self.name, self.reason)

    def submit(self, request: InferRequest, done: Done) -> Ticket:
        """Refuse: it must be awake first.

        Raises:
            ModelNotReady: Always.
        """
        del request, done
        raise ModelNotReady(self.name, self.reason)

    async def infer(self, request: InferRequest) -> InferResult:
        """Load it and run a request.

        Raises:
            PumiceError: It cannot be loaded, or the request failed.
        """
        served = await self.awake(request.deadline)
        served.check(request)
        return await served.infer(request)

    async def awake(self, deadline: float | None = None) -> ServedVersion:
        """Have it loaded; all who ask meanwhile wait for the same load.

        The version cannot leave the memory before the caller's next step.

        Args:
            deadline: Moment on the monotonic clock after which the caller does not wait (s).

        Raises:
            ModelNotReady: It cannot be loaded, or could not a moment ago.
            DeadlineExceeded: The deadline passed.
            Overloaded: Too many wait already.
        """
        entry = self.entry
        if entry.resting:
            raise ModelNotReady(self.name, entry.reason)
        if entry.waiting >= self._max_waiting:
            self.stats.shed["queue"] += 1
            raise Overloaded(f"{entry.waiting} requests wait for model '{self.name}' to be loaded")
        entry.waiting += 1
        try:
            async with asyncio.timeout(None if deadline is None else deadline - time.monotonic()):
                return await self._load()
        except TimeoutError:
            self.stats.shed["deadline"] += 1
            raise DeadlineExceeded("the request's deadline") from None
        finally:
            entry.waiting -= 1
