"""The one queue of a version: requests that wait for a free replica.

The most urgent priority goes first, and within it the callers take turns. A batch is begun with the request that is
next, and filled with those that may share a batch with it. A request leaves at the moment at which nobody waits for it
any more; whose deadline will have passed when the batch is answered is dropped as the batch forms.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterator

from pumice.domain.request import InferRequest
from pumice.runtime.front.ticket import Ticket
from pumice.runtime.front.turns import Line, Taking, Totals

Dropped = Callable[[Ticket], None]
"""Called with a request whose deadline has passed while it waited, or will have before it could be answered."""

_PATIENCE = 8
"""A priority that was passed over by so many batches goes as if it were one more urgent, so that none starves."""


class PendingQueue:
    """All requests of a version that wait.

    Args:
        dropped: Told of each request that came too late.

    Attributes:
        totals: How much waits.
    """

    def __init__(self, dropped: Dropped) -> None:
        self._lines: list[Line] = []  # the most urgent first; one that has come once stays
        self._by_priority: dict[int, Line] = {}
        self.totals = Totals()
        self._dropped = dropped

    def __len__(self) -> int:
        """Requests that wait."""
        return self.totals.size

    def push(self, ticket: Ticket) -> None:
        """Let a request wait, behind the others of its caller."""
        self._line(ticket.request.priority).push(ticket)

    def push_first(self, ticket: Ticket) -> None:
        """Let a request that is to be tried again wait, before all of its priority."""
        self._line(ticket.request.priority).push_first(ticket)

    def _line(self, priority: int) -> Line:
        line = self._by_priority.get(priority)
        if line is None:
            line = self._by_priority[priority] = Line(priority, self.totals)
            insort(self._lines, line, key=_priority)
        return line

    def next(self) -> Ticket | None:
        """The request that the next batch begins with, or None if nobody waits."""
        best: Line | None = None
        for line in self._lines:
            if line.size and (best is None or _rank(line) < _rank(best)):
                best = line
        return best.head() if best is not None else None

    def rows_like(self, ticket: Ticket) -> int:
        """Rows of all that wait and may share a batch with this one, which waits too."""
        return self.totals.alike[ticket.key]

    def take(self, head: Ticket, rows: int, now: float, done_by: float = 0.0) -> list[Ticket]:
        """Take a batch of at most ``rows`` rows, but at least one request; one to be run alone comes alone.

        Args:
            head: What `next` has just given.
            rows: Most rows.
            now: The monotonic clock (s).
            done_by: When the batch's answer is expected (s).

        Returns:
            The batch. It is empty if it was too late for all of these requests while others wait. If it is too late
            for all, the one with the most time left is run all the same: an expectation that is never put to the test
            could be wrong for ever.
        """
        begun = self._line(head.request.priority)
        for line in self._lines:
            line.passed += 1
        begun.passed = 0
        taking = Taking(head.key, rows, now, max(now, done_by))
        begun.fill(taking)
        for line in self._lines:
            if taking.room <= 0 or head.alone:
                break
            if line is not begun and line.size:
                line.fill(taking)
        if taking.late and not taking.batch and not self.totals.size:
            tried = max(taking.late, key=_deadline)
            taking.late.remove(tried)
            taking.batch.append(tried)
        for ticket in (*taking.expired, *taking.late):
            self._dropped(ticket)
        return taking.batch

    def drain(self) -> Iterator[Ticket]:
        """Take all that wait, for example to refuse them."""
        while (ticket := self.next()) is not None:
            if ticket.place is not None:
                ticket.place.discard(ticket)
            yield ticket

    def ahead(self, request: InferRequest) -> int:
        """Bound the rows that go before a new request."""
        rows = 0
        for line in self._lines:
            if line.priority > request.priority:
                break
            rows += line.rows if line.priority < request.priority else line.ahead(request.caller, request.rows)
        return rows

    def give_way(self, request: InferRequest) -> Ticket | None:
        """The request that has to make room for a new one when no more may wait; it still waits.

        It is the newest of the least urgent priority, there of the caller that has the most waiting. None if the new
        one is not more urgent and its caller would have more waiting than the other one then.
        """
        last = next((line for line in reversed(self._lines) if line.size), None)
        if last is None or last.priority < request.priority:
            return None
        greediest = last.greediest()
        if last.priority == request.priority and greediest.size <= last.held(request.caller) + 1:
            return None
        return greediest.newest()

    def has_its_share(self, request: InferRequest) -> bool:
        """Whether others wait at a request's priority, and its caller has an equal part of the places or more."""
        line = self._by_priority.get(request.priority)
        if line is None or line.callers < 2:
            return False
        return line.held(request.caller) * line.callers >= line.size


def _priority(line: Line) -> int:
    return line.priority


def _rank(line: Line) -> int:
    return line.priority - line.passed // _PATIENCE


def _deadline(ticket: Ticket) -> float:
    return ticket.request.deadline or 0.0
