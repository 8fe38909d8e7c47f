"""Whether `Retry-After` is true: many requests at once, whose refused ones come back after just so long, once.

`python -m benchmarks.bursts` takes a `Wish` as JSON on standard input and prints the five numbers that `burst` returns.
"""

import asyncio
import subprocess
import sys
import time
from urllib.parse import urlsplit

import msgspec
import uvloop

from benchmarks.floods import REFUSALS
from pumice.client.load import LoadJob
from pumice.client.load.connection import Connection
from pumice.client.load.wire import request_bytes

Seen = tuple[int, int, int, int, float]
"""Right at first; refused at first; of these let in later, and right and in time; the longest `Retry-After` (s)."""


class Wish(msgspec.Struct, frozen=True):
    """What is sent.

    Attributes:
        url: Where to.
        headers: Of every request.
        body: Of every request.
        requests: How many at once, each on a connection of its own.
        deadline: When an answer is too late for its caller (s).
    """

    url: str
    headers: dict[str, str]
    body: bytes
    requests: int
    deadline: float


def burst(wish: Wish) -> Seen:
    """Sends a burst from a process of its own."""
    command = [sys.executable, "-m", "benchmarks.bursts"]
    done = subprocess.run(command, input=msgspec.json.encode(wish), capture_output=True, check=True)
    return msgspec.json.decode(done.stdout, type=Seen)


class Callers:
    """All callers; each is a connection."""

    def __init__(self, wish: Wish) -> None:
        self._wish = wish
        (self._request,) = request_bytes(LoadJob(url=wish.url, headers=wish.headers, bodies=(wish.body,)))
        self._again: set[Connection] = set()
        self._open = wish.requests
        self._over = asyncio.Event()
        self.first = self.refused = self.back = self.right = 0
        self.longest = 0.0

    async def call(self) -> None:
        """Connects all, lets them send at once, and waits until each is through."""
        loop, parts = asyncio.get_running_loop(), urlsplit(self._wish.url)
        made = [
            await loop.create_connection(lambda: Connection(self), parts.hostname, parts.port)
            for _ in range(self._wish.requests)
        ]
        for _, connection in made:
            connection.send(self._request, 0, time.perf_counter())
        await self._over.wait()

    def answered(self, connection: Connection, status: int, body: bytes) -> None:  # noqa: ARG002
        """Called by a connection."""
        refused = f"status {status}" in REFUSALS
        in_time = status == 200 and connection.ended - connection.started <= self._wish.deadline
        if connection in self._again:
            self.back += not refused
            self.right += in_time
        elif refused:
            self.refused += 1
            self._again.add(connection)
            after = float(connection.retry_after or "nan")  # none at all breaks the run
            self.longest = max(self.longest, after)
            asyncio.get_running_loop().call_later(after, self._send, connection)
            return
        else:
            self.first += in_time
        self._leave()

    def failed(self, connection: Connection, kind: str) -> None:  # noqa: ARG002
        """Called by a connection."""
        self._leave()

    def lost(self, connection: Connection) -> None:
        """Called by a connection."""

    def _send(self, connection: Connection) -> None:
        if connection.open:
            connection.send(self._request, 0, time.perf_counter())
        else:
            self._leave()

    def _leave(self) -> None:
        self._open -= 1
        if not self._open:
            self._over.set()


async def _run(wish: Wish) -> Seen:
    callers = Callers(wish)
    await callers.call()
    return callers.first, callers.refused, callers.back, callers.right, callers.longest


if __name__ == "__main__":
    print(msgspec.json.encode(uvloop.run(_run(msgspec.json.decode(sys.stdin.buffer.read(), type=Wish)))).decode())
