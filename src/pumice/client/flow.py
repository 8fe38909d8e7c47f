"""The client without its input and output.

Every operation is a generator, a `Flow`: it yields what is to be done (`Send` a request, `Pause`, do `Work` that takes
long) and is sent what came of it. `Client` and `AsyncClient` differ only in how they do these things.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pumice.client.errors import ConnectionFailed
from pumice.client.retry import RETRIED_STATUSES, Clock, Retries, retry_after
from pumice.domain.errors import DeadlineExceeded

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request.

    Attributes:
        method: HTTP method.
        path: Path below the server's URL.
        headers: Headers of this request alone.
        body: Its body.
        repeatable: Doing it twice does no harm, so it may be sent again when the connection breaks under it.
        tell_deadline: The server is told when nobody waits for the answer any more.
        in_slices: A large body is handed to httpx slice by slice. Else it copies what is left of it with every write,
            and keeps it until the garbage collector comes, which counts objects and not bytes.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    repeatable: bool = True
    tell_deadline: bool = False
    in_slices: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Send:
    """Send this request and wait for its answer.

    Attributes:
        call: The request.
        headers: All its headers.
        timeout_s: Longest wait (s); with a ``sink``, longest silence.
        sink: Takes the body of a success in parts, as they come; it blocks. None: the answer has it.
    """

    call: Call
    headers: Mapping[str, str]
    timeout_s: float
    sink: Callable[[bytes], None] | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Work:
    """Do this, which blocks: in a thread where others wait. What it raises is raised in the flow.

    Attributes:
        do: It.
    """

    do: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Done:
    """What came of `Work`."""

    value: Any


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer.

    Attributes:
        status: HTTP status.
        headers: Headers by their names in lower case.
        body: The whole body.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether it is a success."""
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Broken:
    """No answer.

    Attributes:
        problem: What the transport said.
        sent: Whether the server may have seen the request.
        timed_out: Whether the time ran out.
    """

    problem: str
    sent: bool
    timed_out: bool = False


Step = Send | Pause | Work
Outcome = Reply | Broken | Done | None
Flow = Generator[Step, Outcome, T]
"""An operation that gives a ``T`` in the end."""


def working(do: Callable[[], T]) -> Flow[T]:
    """Do something that blocks."""
    outcome = yield Work(do)
    if not isinstance(outcome, Done):
        msg = "Work is answered by Done"
        raise TypeError(msg)
    value: T = outcome.value
    return value


@dataclass(frozen=True, slots=True)
class Link:
    """How a server is spoken to.

    Attributes:
        url: The server, without a slash at its end.
        headers: Sent with every request.
        timeout_s: Time for an operation with all its tries, unless it says otherwise (s).
        retries: When a request is sent again.
        clock: Time and chance.
    """

    url: str
    headers: Mapping[str, str]
    timeout_s: float
    retries: Retries
    clock: Clock = field(default_factory=Clock)

    def attempt(
        self, call: Call, timeout_s: float, sink: Callable[[bytes], None] | None = None
    ) -> Flow[Reply | Broken]:
        """Send a request once and wait at most so long (s); a ``sink`` gets the body of a success, part by part."""
        headers = {**self.headers, **call.headers}
        if call.tell_deadline:
            headers["x-timeout-ms"] = f"{max(timeout_s * 1000, 1):.0f}"
        outcome = yield Send(call, headers, timeout_s, sink)
        if not isinstance(outcome, Reply | Broken):
            msg = "a Send is answered by a Reply or Broken"
            raise TypeError(msg)
        return outcome

    def exchange(self, call: Call, timeout_s: float | None = None) -> Flow[Reply]:
        """Send a request, and again where that may help, until there is an answer that stands.

        Args:
            call: The request.
            timeout_s: Time for all tries together (s).

        Returns:
            The last answer, whatever its status.

        Raises:
            ConnectionFailed: There was none.
            DeadlineExceeded: The time ran out.
        """
        limit = self.timeout_s if timeout_s is None else timeout_s
        deadline = self.clock.monotonic() + limit
        tried = 0
        while True:
            left = deadline - self.clock.monotonic()
            if left <= 0:
                raise DeadlineExceeded(f"the client's timeout of {limit:g} s")
            outcome = yield from self.attempt(call, left)
            tried += 1
            wait = self.wait_after(call, outcome, tried)
            if wait is None or self.clock.monotonic() + wait >= deadline:
                return self.final(outcome, tried, limit)
            yield Pause(wait)

    def wait_after(self, call: Call, outcome: Reply | Broken, tried: int) -> float | None:
        """Return how long to wait before the next try (s), or None if there is none."""
        if tried > self.retries.most:
            return None
        if isinstance(outcome, Broken):
            if outcome.timed_out or (outcome.sent and not call.repeatable):
                return None
            return self.retries.backoff(tried, self.clock.chance())
        if outcome.status not in RETRIED_STATUSES:
            return None
        asked = retry_after(outcome.headers.get("retry-after", ""), self.clock.wall())
        return self.retries.backoff(tried, self.clock.chance()) if asked is None else asked

    def final(self, outcome: Reply | Broken, tried: int, limit: float) -> Reply:
        """Return the last answer, whatever its status.

        Raises:
            ConnectionFailed: There was none.
            DeadlineExceeded: The time ran out.
        """
        if isinstance(outcome, Reply):
            return outcome
        if outcome.timed_out:
            raise DeadlineExceeded(f"the client's timeout of {limit:g} s")
        raise ConnectionFailed(self.url, outcome.problem, tried)
