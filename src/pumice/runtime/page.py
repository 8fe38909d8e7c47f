"""A replica's status page: which call runs in it, since when, and how long it may.

The replica writes the page around each call; its supervisor and every front look at it without asking the replica,
which could not answer while it hangs in native code, and after its death. The page is anonymous memory: a file in a
folder would stall the replica now and then while the system writes it to the disk.
"""

from __future__ import annotations

import mmap
import os
import time
from dataclasses import dataclass

_CONNECTION, _NUMBER, _SINCE, _LIMIT, _ANSWERED = range(5)
"""The page's words, 64 bits each; a connection of 0: no call runs."""

_BYTES = mmap.PAGESIZE
_NANO = 1e9


@dataclass(frozen=True, slots=True)
class RunningCall:
    """A call that runs.

    Attributes:
        connection: Id of the connection that it came by.
        number: Number of the batch on that connection.
        since: When it began, or last showed that it gets on, on the monotonic clock, which all processes share (s).
        limit: Longest that it may take from then on (s); 0: as long as it likes.
    """

    connection: int
    number: int
    since: float
    limit: float

    def overdue(self, now: float) -> bool:
        """Whether it takes longer than it may."""
        return 0 < self.limit < now - self.since


class StatusPage:
    """The page as its replica writes it; a call costs it less than a microsecond.

    Attributes:
        fd: The anonymous file, for those who are to look.
    """

    def __init__(self) -> None:
        self.fd = os.memfd_create("pumice-status")
        os.ftruncate(self.fd, _BYTES)
        self._words = memoryview(mmap.mmap(self.fd, _BYTES)).cast("Q")

    def begin(self, connection: int, number: int, limit: float) -> None:
        """A call begins.

        Args:
            connection: Id of its connection, not 0.
            number: Number of its batch.
            limit: Longest that it may take (s); 0: as long as it likes.
        """
        words = self._words
        words[_SINCE] = time.monotonic_ns()
        words[_LIMIT] = int(limit * _NANO)
        words[_NUMBER] = number
        words[_CONNECTION] = connection  # last: from here on the rest is looked at

    def show(self, connection: int, number: int, since: float, limit: float) -> None:
        """One of several calls, that which was silent for longest; 0 for the connection: none that has to speak.

        Args:
            connection: Id of its connection.
            number: Number of its stream.
            since: When it spoke last, on the monotonic clock (s).
            limit: Longest that it may be silent (s); 0: as long as it likes.
        """
        words = self._words
        words[_CONNECTION] = 0
        words[_SINCE] = int(since * _NANO)
        words[_LIMIT] = int(limit * _NANO)
        words[_NUMBER] = number
        words[_CONNECTION] = connection

    def end(self) -> None:
        """The call is over, and its answer was sent."""
        self._words[_ANSWERED] += 1
        self._words[_CONNECTION] = 0


class StatusView:
    """The page as others see it; it stays readable when the replica is gone.

    Args:
        fd: The anonymous file; it may be closed afterwards.

    Raises:
        OSError: It is no page.
    """

    def __init__(self, fd: int) -> None:
        try:
            mapped = mmap.mmap(fd, _BYTES, prot=mmap.PROT_READ)
        except ValueError as error:  # the file is shorter
            raise OSError(str(error)) from error
        self._words = memoryview(mapped).cast("Q")

    @property
    def answered(self) -> int:
        """How many calls were answered, warm-ups among them."""
        return self._words[_ANSWERED]

    def running(self) -> RunningCall | None:
        """The call that runs; None if there is none, or if it began or ended at this very moment."""
        words = self._words
        connection, number = words[_CONNECTION], words[_NUMBER]
        if not connection:
            return None
        call = RunningCall(connection, number, words[_SINCE] / _NANO, words[_LIMIT] / _NANO)
        same = words[_CONNECTION] == connection and words[_NUMBER] == number
        return call if same else None


class HangWatch:
    """Tells a call that hangs: it was overdue at two looks in a row.

    One look would do but for two things: the words are not written at once, and after a pause of the whole machine
    every call looks overdue until it had the chance to end.
    """

    __slots__ = ("_suspect",)

    def __init__(self) -> None:
        self._suspect: tuple[int, int] | None = None

    def hangs(self, call: RunningCall | None, now: float) -> bool:
        """Look once more.

        Args:
            call: What runs now.
            now: The monotonic clock (s).
        """
        if call is None or not call.overdue(now):
            self._suspect = None
            return False
        before, self._suspect = self._suspect, (call.connection, call.number)
        return before == self._suspect


class DeafWatch:
    """Tells a replica that does not take what it is sent: it runs nothing and answers nothing, and yet a batch waits.

    It was stopped, or something besides calls keeps it from its loop. Two looks for the reasons of `HangWatch`.
    """

    __slots__ = ("_late", "_mark", "_since")

    def __init__(self) -> None:
        self._mark: tuple[float, int] | None = None
        self._since = 0.0
        self._late = False

    def deaf(self, page: StatusView, sent: float, limit: float, now: float) -> bool:
        """Look once more.

        Args:
            page: What the replica shows.
            sent: When the batch that waits was sent, on the monotonic clock (s).
            limit: Longest that the replica may do nothing meanwhile (s).
            now: The monotonic clock (s).
        """
        mark = None if page.running() is not None else (sent, page.answered)
        if mark is None or mark != self._mark:
            self._mark, self._since, self._late = mark, now, False
            return False
        if now - self._since <= limit:
            return False
        before, self._late = self._late, True
        return before
