"""Large bodies: the system writes them straight into the memory in which they are decoded.

Two copies lie between the socket and the engine: the system's into a body's own memory, and the one out of it into
the memory that the front shares with the replica, where the requests of a batch come to lie side by side. The tensors
in between are views, and so are those that the engine gets. By way of the parser every byte would be copied twice
more: out of the piece that was read, and when the pieces are joined.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pumice.gateway.http.hot.exchange import Exchange, Head
    from pumice.gateway.http.hot.protocol import HotProtocol

LARGE_BYTES = 64 * 1024
"""From so much that is still to come a body is read this way: below it the detour costs more than the copies."""

STEP_BYTES = 1024 * 1024
"""A body is counted in the budget of all bodies by such steps, each before anything is read into it.

Who tells much and sends little so takes no more than one step from the others.
"""

_TEXT_LENGTH = b"inference-header-content-length"
_MOST_DIGITS = 18


class LargeReader(asyncio.BufferedProtocol):
    """Stands in for a connection while a large body comes, and where the next request may have one.

    In between it reads little at a time, so that what comes in one piece with a head is not much. If that turns out
    to be no large body's, the connection gets its place back.

    Args:
        connection: What it stands in for.
    """

    def __init__(self, connection: HotProtocol) -> None:
        self._connection = connection
        self._exchange: Exchange | None = None  # whose body comes
        self._memory = self._window = connection.route.room
        self._filled = 0
        self._counted = 0

    def begin(self, exchange: Exchange, left: int, rest: memoryview) -> None:
        """Read the rest of a body, unless there is no room for it and its request is turned away.

        Args:
            exchange: The request.
            left: How much of its body was not looked at yet (bytes).
            rest: What is there of that; less.
        """
        there, end = exchange.size, exchange.size + left
        filled = there + len(rest)
        counted = min(end, filled + STEP_BYTES)
        connection = self._connection
        if not connection.has_room(exchange, counted):
            return
        memory = exchange.make_room(left, _length_of_text(exchange.head))
        memory[there:filled] = rest
        connection.body_came(len(rest))
        self._exchange, self._memory = exchange, memory
        self._filled, self._counted = filled, counted
        self._window = memory[filled:counted]
        self.stand_in()

    def stand_in(self) -> None:
        """Take the connection's place."""
        connection = self._connection
        if connection.reader is not self:
            connection.reader = self
            connection.transport.set_protocol(self)

    def leave(self) -> None:
        """Give the connection its place back; a body that is half there is not wanted any more."""
        self._rest()
        connection = self._connection
        if connection.reader is self:
            connection.reader = None
            connection.transport.set_protocol(connection)

    def _rest(self) -> None:
        self._exchange = None
        self._memory = self._window = self._connection.route.room

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go; never beyond a body's end, behind which another request begins."""
        del sizehint
        return self._window

    def buffer_updated(self, nbytes: int) -> None:
        """Take what has come."""
        connection, exchange = self._connection, self._exchange
        if exchange is None:
            connection.data_received(bytes(self._window[:nbytes]))
            if self._exchange is None:
                self.leave()
            return
        self._filled = filled = self._filled + nbytes
        connection.body_came(nbytes)
        end = len(self._memory)
        if filled == end:
            self._rest()
            connection.body_whole()
            return
        if filled == self._counted:
            self._counted = min(end, filled + STEP_BYTES)
            if not connection.has_room(exchange, self._counted):
                self.leave()
                return
        self._window = self._memory[filled : self._counted]

    def eof_received(self) -> bool:
        """The connection knows what to do."""
        return self._connection.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection knows what to do; nothing is left that leads from it to here."""
        self._rest()
        self._connection.reader = None
        self._connection.connection_lost(exc)

    def pause_writing(self) -> None:
        """The connection knows what to do."""
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        """The connection knows what to do."""
        self._connection.resume_writing()


def comes_straight(head: Head) -> bool:
    """Whether a body may be read this way: it has binary tensors, which are views of it.

    Text is decoded out of one piece of bytes, and compressed bodies are not kept.
    """
    headers = head.headers
    return _TEXT_LENGTH in headers and b"content-encoding" not in headers


def _length_of_text(head: Head) -> int:
    """How much of the body goes before its tensors (bytes); 0 if that is not told rightly, which others refuse."""
    told = head.headers[_TEXT_LENGTH]
    return int(told) if told.isdigit() and len(told) <= _MOST_DIGITS else 0
