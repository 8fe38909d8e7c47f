"""One request and its answer on a connection, as plain values and one write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pumice.gateway.http.hot.protocol import HotProtocol

_JOIN_BELOW = 64 * 1024
"""Answers below this go out as one piece; joining larger ones would copy them once more (bytes)."""

Handler = Callable[["Exchange"], None]
"""Takes a whole request; answers it now or later by `Exchange.respond`. It raises nothing."""


class _NoEvent:
    """Stands where uvicorn's request cycle has an event that wakes its task; there is no task here."""

    def set(self) -> None:
        """Do nothing."""


class Head:
    """The head of a request: its path, its headers, and what was read out of them once.

    Attributes:
        path: Path of the request, percent-encoded.
        headers: Values by name in lower case; of a name that comes twice, the last.
        notes: What the handler has read out of the headers; clients send the same head again and again.
    """

    __slots__ = ("headers", "notes", "path")

    def __init__(self, path: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        self.path = path
        self.headers = dict(headers)
        self.notes: object = None


class Exchange:
    """A request that is read whole, then answered whole.

    The first attributes are those that uvicorn's protocol looks at in the cycle of a connection.

    Attributes:
        response_complete: The answer was written.
        disconnected: The caller has gone.
        keep_alive: The connection stays open after the answer.
        message_event: Unused; see `_NoEvent`.
        head: Path and headers.
        complete: The request was read to its end.
        queued: An earlier request of the connection is still to be answered.
        abandoned: Called when the caller goes away before the answer.
    """

    __slots__ = (
        "_parts",
        "_protocol",
        "_size",
        "abandoned",
        "complete",
        "disconnected",
        "head",
        "keep_alive",
        "queued",
        "response_complete",
    )

    message_event = _NoEvent()

    def __init__(self, protocol: HotProtocol, head: Head, parts: list[bytes], *, keep_alive: bool) -> None:
        self.response_complete = False
        self.disconnected = False
        self.keep_alive = keep_alive
        self.head = head
        self.complete = False
        self.queued = False
        self.abandoned: Callable[[], None] | None = None
        self._protocol = protocol
        self._parts = parts
        self._size = 0

    def add(self, part: bytes) -> int:
        """Keep a piece of the body and return the size so far (bytes)."""
        self._parts.append(part)
        self._size += len(part)
        return self._size

    @property
    def caller(self) -> str:
        """The peer's address; empty where it has none."""
        return self._protocol.caller

    @property
    def body(self) -> bytes:
        """The whole body; large ones are joined once."""
        parts = self._parts
        if len(parts) != 1:
            self._parts = parts = [b"".join(parts)]
        return parts[0]

    def respond(self, status_line: bytes, headers: Sequence[bytes], body: Sequence[bytes]) -> None:
        """Write the answer; does nothing if the caller has gone.

        Args:
            status_line: The status line with its line end.
            headers: Names, separators and values in pieces, each header with its line end.
            body: The body's pieces.
        """
        if self.disconnected or self.response_complete:
            return
        self.response_complete = True
        self.abandoned = None  # it leads back here: without the circle no garbage is left to collect
        size = sum(map(len, body))
        head = [status_line, self._protocol.common_headers(), *headers, b"content-length: %d\r\n" % size]
        head.append(b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n")
        transport = self._protocol.transport
        if size < _JOIN_BELOW:
            transport.write(b"".join((*head, *body)))
        else:
            transport.writelines((b"".join(head), *body))
        self._parts = []
        if not self.keep_alive:
            transport.close()
        self._protocol.on_response_complete()
