"""One request and its answer on a connection, as plain values and one write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pumice.gateway.http.budget import FREE_BYTES, Held

if TYPE_CHECKING:
    from pumice.gateway.http.hot.connection import Connection
    from pumice.gateway.http.hot.guard import Pass

_JOIN_BELOW = 64 * 1024
"""Answers below this go out as one piece; joining larger ones would copy them once more (bytes)."""

_SMALL_PART = 4096
_FEW_PARTS = 64
"""From so many pieces on, small ones are put together, or a body sent byte by byte would take forty times its size."""

_ALIGNMENT = 16
"""Memory comes on such an address (bytes): enough for every type of number."""

Piece = bytes | bytearray | memoryview
"""Of a request's body."""

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
        headers: Values by name in lower case; those of a name that comes twice are joined by commas.
        more: Header lines that the answer carries besides.
        notes: What the handler has read out of the headers; clients send the same head again and again.
        known: What the door has found out about the caller.
        caller: The caller's name, if it is known by its key or token.
    """

    __slots__ = ("caller", "headers", "known", "more", "notes", "path")

    def __init__(self, path: bytes, headers: dict[bytes, bytes], more: bytes = b"") -> None:
        self.path = path
        self.headers = headers
        self.more = more
        self.notes: object = None
        self.known: Pass | None = None
        self.caller = ""


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
        size: Of what was added to the body so far (bytes).
        abandoned: Called when the caller goes away before the answer.
    """

    __slots__ = (
        "_held",
        "_parts",
        "_protocol",
        "abandoned",
        "complete",
        "disconnected",
        "head",
        "keep_alive",
        "queued",
        "response_complete",
        "size",
    )

    message_event = _NoEvent()

    def __init__(self, protocol: Connection, head: Head, parts: list[Piece], *, keep_alive: bool) -> None:
        self.response_complete = False
        self.disconnected = False
        self.keep_alive = keep_alive
        self.head = head
        self.complete = False
        self.queued = False
        self.abandoned: Callable[[], None] | None = None
        self.size = 0
        self._protocol = protocol
        self._parts: list[Piece] = parts
        self._held: Held | None = None

    def add(self, part: bytes) -> int:
        """Keep a piece of the body and return the size so far (bytes)."""
        parts = self._parts
        if len(part) >= _SMALL_PART or len(parts) < _FEW_PARTS:
            parts.append(part)
        else:
            last = parts[-1]
            if type(last) is bytearray and len(last) < _SMALL_PART:
                last += part
            else:
                parts.append(bytearray(part))
        self.size += len(part)
        return self.size

    def make_room(self, left: int, text: int) -> memoryview:
        """Give the whole body memory in one piece; what was added before is there already.

        Args:
            left: How much was not added yet (bytes).
            text: How much of the body goes before its tensors (bytes); these begin on an address that suits numbers.
        """
        end = self.size + left
        skip = -text % _ALIGNMENT
        # the system gives pages when they are written to: a body that is told but never sent takes none
        memory = np.empty(skip + end, np.uint8).data[skip:]
        at = 0
        for part in self._parts:
            memory[at : at + len(part)] = part
            at += len(part)
        self._parts = [memory.toreadonly()]
        self.size = end
        return memory

    def hold(self, size: int) -> None:
        """Count a body, or what it became, in the budget of all bodies if it is large.

        Raises:
            Overloaded: All bodies together are too large.
        """
        if size <= FREE_BYTES:
            return
        if self._held is None:
            self._held = Held(self._protocol.route.budget)
        self._held.grow(size)

    def release(self) -> None:
        """Let go of the body."""
        self._parts = []
        if self._held is not None:
            self._held.release()

    @property
    def caller(self) -> str:
        """Who asks: the caller's name if the door knows it, else the peer's address; empty where it has none."""
        return self.head.caller or self._protocol.caller

    @property
    def body(self) -> bytes | memoryview:
        """The whole body, which nobody can change; one of several pieces is joined once."""
        parts = self._parts
        if len(parts) == 1:
            whole = parts[0]
            if not isinstance(whole, bytearray):
                return whole
        joined = b"".join(parts)
        self._parts = [joined]
        return joined

    def respond(self, status_line: bytes, headers: Sequence[bytes], body: Sequence[bytes | memoryview]) -> None:
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
        protocol = self._protocol
        common = protocol.route.common_headers(protocol.server_state.default_headers)
        head = [status_line, common, *headers, b"content-length: %d\r\n" % size, self.head.more]
        head.append(b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n")
        transport = protocol.transport
        if size < _JOIN_BELOW:
            transport.write(b"".join((*head, *body)))
        else:
            transport.writelines((b"".join(head), *body))
        self._parts = []
        if self._held is not None:
            self._held.release()
        if not self.keep_alive:
            protocol.hang_up(heard=self.complete)
        protocol.on_response_complete()
