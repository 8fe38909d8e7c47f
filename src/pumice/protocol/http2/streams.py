"""One stream, as both halves of a session see it."""

from __future__ import annotations

from collections import deque


class Stream:
    """A request and its answer. What is done with it is said by a class below this one.

    Attributes:
        number: Its number.
        window_in: What the peer may still send (bytes).
        window_out: What we may still send (bytes); below zero after the peer has made its windows smaller.
        ended_in: The peer has sent all.
        ended_out: We have sent all, or nothing more is to be sent.
        outbox: What waits for a window, or for room in the socket; None: nothing ever did.
        owed: What was taken of what the peer has sent, and not yet let it send anew (bytes).
        tail: Packed trailers that end the stream behind the outbox; None: it goes on.
    """

    __slots__ = ("ended_in", "ended_out", "number", "outbox", "owed", "tail", "window_in", "window_out")

    def __init__(self, number: int) -> None:
        self.number = number
        self.window_in = 0
        self.window_out = 0
        self.ended_in = False
        self.ended_out = False
        self.outbox: deque[memoryview] | None = None
        self.owed = 0
        self.tail: bytes | None = None

    @property
    def waiting(self) -> int:
        """What waits in the outbox (bytes)."""
        return sum(map(len, self.outbox)) if self.outbox else 0

    def start(self) -> None:
        """Its head was taken; it may be answered from now on."""
        raise NotImplementedError

    def received(self, piece: bytes, *, ended: bool) -> None:
        """Take a piece of the request.

        Args:
            piece: The bytes; they count against the window until `Session.credit` gives them back.
            ended: There are no more.
        """
        raise NotImplementedError

    def gone(self) -> None:
        """Nobody waits for the answer any more."""
        raise NotImplementedError

    def drained(self) -> None:
        """What waited was sent."""
        raise NotImplementedError
