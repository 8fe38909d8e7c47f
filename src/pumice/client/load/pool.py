"""Keeps a job's connections open and busy, and hands every outcome to the recorder."""

import asyncio
import ssl
import time
from urllib.parse import urlsplit

from pumice.client.load.checks import AnswerCheck
from pumice.client.load.connection import Connection
from pumice.client.load.job import LoadJob
from pumice.client.load.pace import Closed, Pace
from pumice.client.load.recorder import Recorder
from pumice.client.load.wire import request_bytes

_RETRY_CONNECT = 0.02
"""Seconds before a refused connection is tried again: a server that restarts is met soon, and not hammered."""
_SWEEP = 0.05
"""Seconds between two looks for requests that are over their time."""


class LoadPool:
    """All connections of one job; made in a running loop.

    Args:
        job: What to do.
        recorder: Takes every outcome.
    """

    def __init__(self, job: LoadJob, recorder: Recorder) -> None:
        self._job = job
        self._recorder = recorder
        self._check = AnswerCheck(job)
        self._requests = request_bytes(job)
        self._index = -1
        self._pace: Pace = Closed(0)
        self._pace.stop()
        self._loop = asyncio.get_running_loop()
        self._connections: set[Connection] = set()
        self._idle: set[Connection] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._changed = asyncio.Event()
        self._closing = False

    async def open(self) -> None:
        """Try to open every connection once; those that are refused go on trying by themselves."""
        self._sweep()
        refused = await asyncio.gather(*(self._connect() for _ in range(self._job.connections)))
        for _ in filter(None, refused):
            self._replace()

    def run(self, pace: Pace) -> None:
        """Let the connections send at this pace from now on."""
        self._pace = pace
        self._wake()

    def stop(self) -> None:
        """Start no more requests."""
        for _ in range(self._pace.stop()):
            self._recorder.failure("unsent")

    async def finish(self) -> None:
        """Wait until the pace has no more requests and none is under way (the last by its timeout)."""
        while not self._pace.finished or any(connection.busy for connection in self._connections):
            self._changed.clear()
            await self._changed.wait()

    async def close(self) -> None:
        """Close everything."""
        self._closing = True
        for timer in self._timers.values():
            timer.cancel()
        for task in self._opening:
            task.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)
        for connection in list(self._connections):
            connection.abort()

    def answered(self, connection: Connection, status: int, body: bytes) -> None:
        """Record an answer and send the next request; the hot path."""
        problem = self._check(connection.index, status, body)
        if problem is None:
            self._recorder.answer(connection.ended - connection.started)
        else:
            self._recorder.failure(problem, body[:200].decode(errors="replace"))
        if self._job.keep:
            self._keep(connection, problem or "")
        if connection.open:
            self._next(connection, connection.ended)

    def failed(self, connection: Connection, kind: str) -> None:
        """Record a failure; the connection closes, and `lost` follows."""
        self._recorder.failure(kind)
        if self._job.keep:
            connection.ended, connection.retry_after = time.perf_counter(), b""
            self._keep(connection, kind)

    def lost(self, connection: Connection) -> None:
        """Open a connection in the place of one that closed."""
        self._connections.discard(connection)
        self._idle.discard(connection)
        self._changed.set()
        if not self._closing:
            self._replace()

    def _keep(self, connection: Connection, problem: str) -> None:
        told = connection.retry_after.decode("latin-1") if problem else ""
        self._recorder.keep(connection.started, connection.ended, problem, told)

    def _next(self, connection: Connection, now: float) -> None:
        due = self._pace.take(now)
        if due is None:
            self._idle.add(connection)
            self._changed.set()
            return
        # With another connection free, waiting since `due` is the generator's own delay, not the server's.
        started = now if self._idle else due
        self._index = (self._index + 1) % len(self._requests)
        connection.send(self._requests[self._index], self._index % len(self._job.bodies), started)

    def _wake(self) -> None:
        """Send what is due over the free connections, and come again when more falls due."""
        for _ in range(len(self._idle)):
            connection = self._idle.pop()
            self._next(connection, time.perf_counter())
            if not connection.busy:
                break
        delay = self._pace.due_in(time.perf_counter())
        if delay is not None:
            self._timers["wake"] = self._loop.call_later(delay, self._wake)

    def _sweep(self) -> None:
        now = time.perf_counter()
        for connection in list(self._connections):
            if connection.busy and now - connection.started > self._job.timeout:
                connection.fail("timeout")
        self._timers["sweep"] = self._loop.call_later(_SWEEP, self._sweep)

    def _replace(self) -> None:
        task = self._loop.create_task(self._reconnect())
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _reconnect(self) -> None:
        while (problem := await self._connect()) is not None:
            if self._pace.take(time.perf_counter()) is not None:
                self._recorder.failure("connect", problem)
            self._changed.set()
            await asyncio.sleep(_RETRY_CONNECT)

    async def _connect(self) -> str | None:
        """Open one connection and let it send; returns the problem if it was refused."""
        parts = urlsplit(self._job.url)
        secure = ssl.create_default_context() if parts.scheme == "https" else None
        port = parts.port or (443 if secure else 80)
        try:
            async with asyncio.timeout(self._job.timeout):
                _, connection = await self._loop.create_connection(
                    lambda: Connection(self), parts.hostname or "", port, ssl=secure
                )
        except OSError as problem:  # TimeoutError is one
            return str(problem) or type(problem).__name__
        if connection.open:
            self._connections.add(connection)
            self._next(connection, time.perf_counter())
        return None
