"""One keep-alive connection: sends a request, reads the answer, tells its pool how it went."""

import asyncio
import time
from typing import Protocol, cast

import httptools

from pumice.client.load.wire import AnswerParser, plain_body


class Pool(Protocol):
    """Who owns connections and decides what they send."""

    def answered(self, connection: "Connection", status: int, body: bytes) -> None:
        """A complete answer came; the connection is idle."""

    def failed(self, connection: "Connection", kind: str) -> None:
        """The request under way failed; the connection is being closed."""

    def lost(self, connection: "Connection") -> None:
        """The connection is closed."""


class Connection(asyncio.Protocol):
    """One TCP connection with at most one request under way.

    Attributes:
        busy: A request is under way.
        started: When it was sent (or was due), on the clock of `time.perf_counter`.
        ended: When its answer had come, on the same clock.
        retry_after: What the last answer that was not 200 said of when to come back; empty: nothing.
        index: Which body it carries.
        open: Another request may be sent.
    """

    def __init__(self, pool: Pool) -> None:
        self.busy = False
        self.started = 0.0
        self.ended = 0.0
        self.retry_after = b""
        self.index = 0
        self.open = False
        self._pool = pool
        self._transport: asyncio.Transport | None = None
        self._parser: AnswerParser | None = None

    def send(self, request: bytes, index: int, started: float) -> None:
        """Send a request; only when open and not busy."""
        self.busy = True
        self.index = index
        self.started = started
        if self._transport is not None:
            self._transport.write(request)

    def fail(self, kind: str) -> None:
        """Give the request under way up and close the connection at once."""
        self.open = False
        if self.busy:
            self.busy = False
            self._pool.failed(self, kind)
        self.abort()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's do not derive from it
        self.open = True

    def data_received(self, data: bytes) -> None:
        """Called by asyncio with what came; the hot path."""
        self.ended = time.perf_counter()
        if self.busy and self._parser is None:
            body = plain_body(data)
            if body is not None:
                self.busy = False
                self._pool.answered(self, 200, body)
                return
        self._parse(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Called by asyncio when the connection is closed, by whomever."""
        self.open = False
        if self.busy:
            self.busy = False
            self._pool.failed(self, "closed")
        self._pool.lost(self)

    def _parse(self, data: bytes) -> None:
        parser = self._parser = self._parser or AnswerParser()
        try:
            parser.feed(data)
        except httptools.HttpParserError:
            self.fail("protocol")
            return
        if not parser.complete:
            return
        self._parser = None
        if not self.busy or parser.complete > 1:  # more than was asked for
            self.fail("protocol")
            return
        self.busy = False
        self.open = parser.keep
        self.retry_after = parser.retry_after
        self._pool.answered(self, parser.status, parser.body)
        if not parser.keep and self._transport is not None:
            self._transport.close()
