"""The half of a session that sends: answers, as far as the peer's windows let them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Generic, TypeVar

from pumice.protocol.http2.frames import frame_head, goaway_frame, headers_frame, rst_frame, window_frame
from pumice.protocol.http2.streams import Stream
from pumice.protocol.http2.values import (
    DATA,
    END_STREAM,
    FIRST_WINDOW,
    SMALLEST_MAX_FRAME,
    Code,
    ConnectionFault,
    Limits,
)

S = TypeVar("S", bound=Stream)

_FRAMES_A_TURN = 16
"""Frames of one stream before others have their turn."""


class Outgoing(Generic[S]):
    """Sends.

    Args:
        limits: What the peer may take.

    Attributes:
        out: What is to be written to the socket, in order; whoever writes it takes it out.
        streams: Those that are open, by number.
        waiting: Those whose outbox waits, by number; they take turns in this order.
        window_out: What we may still send on all streams together (bytes).
        first_window_out: What a new stream may send at first (bytes).
        max_frame_out: Largest frame that the peer takes (bytes).
        held: The socket takes no more for now: data wait, control frames do not.
        sent: Data that were sent, ever (bytes).
        answered: Streams that were answered to their end, ever.
        last: Highest number of a stream that was taken.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.out: list[bytes | memoryview] = []
        self.streams: dict[int, S] = {}
        self.waiting: dict[int, S] = {}
        self.window_out = FIRST_WINDOW
        self.first_window_out = FIRST_WINDOW
        self.max_frame_out = SMALLEST_MAX_FRAME
        self.held = False
        self.sent = 0
        self.answered = 0
        self.last = 0

    def answer(self, stream: S, head: bytes, data: Sequence[bytes], tail: bytes) -> None:
        """Send a whole answer.

        Args:
            stream: Its stream.
            head: Packed header fields.
            data: The pieces of the body.
            tail: Packed trailers.
        """
        size = sum(map(len, data))
        number = stream.number
        if not self.waiting and not self.held and size <= min(stream.window_out, self.window_out, self.max_frame_out):
            self.window_out -= size
            stream.window_out -= size
            self.sent += size
            self.out += (
                headers_frame(number, head),
                frame_head(DATA, 0, number, size),
                *data,
                headers_frame(number, tail, END_STREAM),
            )
            self._ended(stream)
            return
        self.out.append(headers_frame(number, head))
        for piece in data:
            self.send(stream, piece)
        self.end(stream, tail)

    def begin(self, stream: S, head: bytes) -> None:
        """Send the header fields of an answer."""
        self.out.append(headers_frame(stream.number, head))

    def send(self, stream: S, piece: bytes) -> None:
        """Send a piece of an answer's body, or let it wait."""
        if stream.outbox is None:
            stream.outbox = deque()
        stream.outbox.append(memoryview(piece))
        if stream.number not in self.waiting:
            self._pump(stream)

    def end(self, stream: S, tail: bytes) -> None:
        """Send the trailers behind all data."""
        if stream.outbox:
            stream.tail = tail
            return
        self.out.append(headers_frame(stream.number, tail, END_STREAM))
        self._ended(stream)

    def reset(self, stream: S, code: Code) -> None:
        """Break a stream off."""
        self.out.append(rst_frame(stream.number, code))
        self.forget(stream)

    def credit(self, stream: S, size: int) -> None:
        """Let the peer send so many bytes more on a stream, since they were taken; it is told in big steps."""
        if stream.ended_in:
            return
        stream.owed += size
        if stream.owed * 2 >= self._limits.window:
            self.out.append(window_frame(stream.number, stream.owed))
            stream.window_in += stream.owed
            stream.owed = 0

    def fail(self, fault: ConnectionFault) -> None:
        """Say why the connection ends."""
        self.out.append(goaway_frame(self.last, fault.code, fault.why))

    def forget(self, stream: S) -> None:
        """Drop a stream that is over."""
        stream.ended_in = stream.ended_out = True
        stream.outbox = stream.tail = None
        self.streams.pop(stream.number, None)
        self.waiting.pop(stream.number, None)

    def pump(self) -> None:
        """Send what waits, as far as it may go; streams take turns."""
        moved = True
        while moved and not self.held and self.window_out > 0:
            moved = False
            for stream in list(self.waiting.values()):
                moved = self._pump(stream, _FRAMES_A_TURN) or moved

    def _pump(self, stream: S, frames: int = 1 << 30) -> bool:
        """Send what waits of one stream; whether anything could go."""
        outbox, moved = stream.outbox, False
        number = stream.number
        while outbox and frames and not self.held:
            piece = outbox[0]
            size = min(len(piece), self.max_frame_out, self.window_out, stream.window_out)
            if size <= 0 < len(piece):
                break
            self.out += (frame_head(DATA, 0, number, size), piece[:size])
            self.window_out -= size
            stream.window_out -= size
            self.sent += size
            moved, frames = True, frames - 1
            if size < len(piece):
                outbox[0] = piece[size:]
            else:
                outbox.popleft()
        if outbox:
            self.waiting[number] = stream
            return moved
        self.waiting.pop(number, None)
        if stream.tail is not None:
            self.out.append(headers_frame(number, stream.tail, END_STREAM))
            self._ended(stream)
        elif moved:
            stream.drained()
        return moved

    def _ended(self, stream: S) -> None:
        if not stream.ended_in:
            # the rest of the request is of no use any more (RFC 9113, 8.1)
            self.out.append(rst_frame(stream.number, Code.NO_ERROR))
        self.answered += 1
        self.forget(stream)
