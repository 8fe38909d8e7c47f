"""The one queue of a version: requests that wait for a free replica.

Requests that may share a batch stand in one lane. A batch is taken from the lane whose first request is most urgent,
and among equals has waited longest. Expired and cancelled requests are dropped as the batch forms.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterator

from pumice.runtime.front.ticket import Ticket

Dropped = Callable[[Ticket], None]
"""Called with a request whose deadline has passed while it waited."""


class Lane:
    """Requests that may share batches, in the order of their priority and then of their arrival."""

    __slots__ = ("_by_priority", "rows", "size")

    def __init__(self) -> None:
        self._by_priority: dict[int, deque[Ticket]] = {}
        self.rows = 0
        self.size = 0

    def push(self, ticket: Ticket, *, first: bool) -> None:
        """Put a request behind (or before) those of its priority."""
        priority = ticket.request.priority
        waiting = self._by_priority.get(priority)
        if waiting is None:
            waiting = self._by_priority[priority] = deque()
            if len(self._by_priority) > 1:
                self._by_priority = dict(sorted(self._by_priority.items()))
        if first:
            waiting.appendleft(ticket)
        else:
            waiting.append(ticket)
        self.rows += ticket.request.rows
        self.size += 1

    def head(self) -> Ticket | None:
        """The request that is next, or None; finished ones before it are thrown away."""
        for priority in list(self._by_priority):
            waiting = self._by_priority[priority]
            while waiting:
                ticket = waiting[0]
                if not ticket.finished:
                    return ticket
                self._remove(waiting)
            del self._by_priority[priority]
        return None

    def pop(self, ticket: Ticket) -> Ticket:
        """Take the request that `head` has just given."""
        self._remove(self._by_priority[ticket.request.priority])
        return ticket

    def _remove(self, waiting: deque[Ticket]) -> None:
        self.rows -= waiting.popleft().request.rows
        self.size -= 1


class PendingQueue:
    """All requests of a version that wait.

    Args:
        dropped: Told of each request whose deadline passed here.
    """

    def __init__(self, dropped: Dropped) -> None:
        self._lanes: dict[Hashable, Lane] = {}
        self._dropped = dropped

    def __len__(self) -> int:
        """Requests that wait; those that were cancelled count until a batch passes them."""
        return sum(lane.size for lane in self._lanes.values())

    def push(self, ticket: Ticket, *, first: bool = False) -> None:
        """Let a request wait, behind all others or (to be tried again) before them."""
        lane = self._lanes.get(ticket.key)
        if lane is None:
            lane = self._lanes[ticket.key] = Lane()
        lane.push(ticket, first=first)

    def next_lane(self, now: float) -> Lane | None:
        """The lane that a batch is to be taken from, or None if nobody waits."""
        best: Lane | None = None
        best_rank = (0, 0.0)
        for key in list(self._lanes):
            lane = self._lanes[key]
            ticket = self._live_head(lane, now)
            if ticket is None:
                del self._lanes[key]
                continue
            rank = (ticket.request.priority, ticket.enqueued)
            if best is None or rank < best_rank:
                best, best_rank = lane, rank
        return best

    def take(self, lane: Lane, rows: int, now: float) -> list[Ticket]:
        """Take a batch of at most ``rows`` rows, but at least one request; one to be run alone comes alone."""
        batch: list[Ticket] = []
        while (ticket := self._live_head(lane, now)) is not None:
            if batch and (ticket.alone or ticket.request.rows > rows):
                break
            batch.append(lane.pop(ticket))
            rows -= ticket.request.rows
            if ticket.alone or rows <= 0:
                break
        return batch

    def drain(self) -> Iterator[Ticket]:
        """Take all that wait, for example to refuse them."""
        for lane in self._lanes.values():
            while (ticket := lane.head()) is not None:
                yield lane.pop(ticket)
        self._lanes.clear()

    def _live_head(self, lane: Lane, now: float) -> Ticket | None:
        while (ticket := lane.head()) is not None:
            deadline = ticket.request.deadline
            if deadline is None or deadline > now:
                return ticket
            self._dropped(lane.pop(ticket))
        return None
