"""Requests of one priority: the callers take turns.

Deficit round robin by rows (Shreedhar and Varghese, 1995). A caller's turn is worth as many rows as the largest request
that waits, so a turn always serves a request, every step costs the same however many wait, and requests of equal size
alternate one by one. With one caller it is first come, first served.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field

from pumice.runtime.front.ticket import Ticket


@dataclass(slots=True)
class Taking:
    """A batch that is being taken.

    Attributes:
        key: What its requests have in common.
        room: Rows that it can still take.
        now: The monotonic clock (s).
        done_by: When its answer is expected (s); no request is taken that nobody waits for then.
        batch: What was taken.
        expired: Requests whose deadline has passed.
        late: Requests whose deadline will have passed.
    """

    key: Hashable
    room: int
    now: float
    done_by: float
    batch: list[Ticket] = field(default_factory=list)
    expired: list[Ticket] = field(default_factory=list)
    late: list[Ticket] = field(default_factory=list)

    def drops(self, ticket: Ticket) -> bool:
        """Whether it is too late for a request; it is noted then."""
        deadline = ticket.request.deadline
        if deadline is None or deadline > self.done_by:
            return False
        (self.expired if deadline <= self.now else self.late).append(ticket)
        return True

    def add(self, ticket: Ticket) -> None:
        """Take a request; one that is to be run alone fills the batch."""
        self.batch.append(ticket)
        self.room = 0 if ticket.alone else self.room - ticket.request.rows


class Share:
    """What one caller has waiting at one priority, by what may share a batch."""

    __slots__ = ("_credit", "_in_turn", "_lanes", "_line", "caller", "rows", "size")

    def __init__(self, line: Line, caller: str) -> None:
        self.caller = caller
        self.rows = self.size = 0
        self._line = line
        self._lanes: dict[Hashable, OrderedDict[Ticket, None]] = {}
        self._credit = 0
        self._in_turn = False

    def push(self, ticket: Ticket) -> None:
        """Put a request behind the caller's others."""
        lane = self._lanes.get(ticket.key)
        if lane is None:
            lane = self._lanes[ticket.key] = OrderedDict()
        lane[ticket] = None
        ticket.place = self
        self.rows += ticket.request.rows
        self.size += 1

    def bring_forward(self, ticket: Ticket) -> None:
        """Put a request that waits before the caller's others."""
        self._lanes[ticket.key].move_to_end(ticket, last=False)
        self._in_turn = False  # a new turn has room for it

    def discard(self, ticket: Ticket) -> None:
        """Take a request out, wherever it stands."""
        ticket.place = None
        del self._lanes[ticket.key][ticket]
        self._left(ticket.key, 1, ticket.request.rows)

    def head(self) -> Ticket:
        """The request that has waited longest."""
        return min((next(iter(lane)) for lane in self._lanes.values()), key=_enqueued)

    def newest(self) -> Ticket:
        """The request that came last."""
        return max((next(reversed(lane)) for lane in self._lanes.values()), key=_enqueued)

    def may_go(self, rows: int, quantum: int) -> bool:
        """Begin the caller's turn if it has none, and tell whether the turn has so many rows left."""
        if not self._in_turn:
            self._in_turn = True
            self._credit += quantum
        return rows <= self._credit

    def end_turn(self) -> None:
        """Let the others have theirs; what is left of this one is kept for the next."""
        self._in_turn = False

    def take(self, taking: Taking, quantum: int, *, only: bool) -> bool:
        """Give a batch what fits, as far as the caller's turn goes.

        Args:
            taking: The batch.
            quantum: What a turn is worth (rows).
            only: No other caller waits, so there is nobody to take turns with.

        Returns:
            Whether the turn is over and more of the caller's requests wait.
        """
        lane = self._lanes.get(taking.key)
        if lane is None:
            return False
        size, rows, over = len(lane), 0, False
        while lane and taking.room > 0:
            ticket = next(iter(lane))
            request = ticket.request
            if request.deadline is None or not taking.drops(ticket):
                if taking.batch and (ticket.alone or request.rows > taking.room):
                    break
                if not only:
                    over = not self.may_go(request.rows, quantum)
                    if over:
                        self.end_turn()
                        break
                    self._credit -= request.rows
                taking.add(ticket)
            del lane[ticket]
            ticket.place = None
            rows += request.rows
        if rows:
            self._left(taking.key, size - len(lane), rows)
        return over

    def _left(self, key: Hashable, size: int, rows: int) -> None:
        if not self._lanes[key]:
            del self._lanes[key]
        self.size -= size
        self.rows -= rows
        self._line.left(self, key, size, rows)


class Line:
    """All requests of one priority.

    Args:
        priority: Which.
        totals: What waits at all priorities, kept up to date here.

    Attributes:
        priority: Which.
        rows: Rows that wait.
        size: Requests that wait.
        passed: Batches since that were begun with a request of another priority.
    """

    __slots__ = ("_quantum", "_shares", "_totals", "_turns", "passed", "priority", "rows", "size")

    def __init__(self, priority: int, totals: Totals) -> None:
        self.priority = priority
        self.rows = self.size = self.passed = 0
        self._totals = totals
        self._shares: dict[str, Share] = {}
        self._turns: OrderedDict[Share, None] = OrderedDict()
        self._quantum = 1

    def push(self, ticket: Ticket) -> None:
        """Let a request wait behind its caller's others."""
        request = ticket.request
        rows = request.rows
        share = self._shares.get(request.caller)
        if share is None:
            share = self._shares[request.caller] = Share(self, request.caller)
            self._turns[share] = None
        share.push(ticket)
        if not self.size:
            self.passed = 0
            self._quantum = rows
        elif rows > self._quantum:
            self._quantum = rows
        self.rows += rows
        self.size += 1
        self._totals.add(ticket.key, rows)

    def push_first(self, ticket: Ticket) -> None:
        """Let a request wait that is the very next."""
        self.push(ticket)
        share = self._shares[ticket.request.caller]
        share.bring_forward(ticket)
        self._turns.move_to_end(share, last=False)

    def left(self, share: Share, key: Hashable, size: int, rows: int) -> None:
        """Called by a share that has so many requests less."""
        if not share.size:
            del self._shares[share.caller]
            self._turns.pop(share, None)
        self.rows -= rows
        self.size -= size
        self._totals.remove(key, size, rows)

    def head(self) -> Ticket:
        """The request that is next; only while some wait."""
        while True:
            share = next(iter(self._turns))
            ticket = share.head()
            if len(self._turns) == 1 or share.may_go(ticket.request.rows, self._quantum):
                return ticket
            share.end_turn()
            self._turns.move_to_end(share)

    def fill(self, taking: Taking) -> None:
        """Give a batch what fits, the callers in turn; who has nothing for it keeps its place."""
        turns = self._turns
        kept: list[Share] = []
        while turns and taking.room > 0:
            share = next(iter(turns))
            if share.take(taking, self._quantum, only=len(self._shares) == 1):
                turns.move_to_end(share)
            elif share in turns:
                del turns[share]
                kept.append(share)
        for share in reversed(kept):
            turns[share] = None
            turns.move_to_end(share, last=False)

    def held(self, caller: str) -> int:
        """How many requests of a caller wait."""
        share = self._shares.get(caller)
        return share.size if share is not None else 0

    @property
    def callers(self) -> int:
        """How many callers wait."""
        return len(self._shares)

    def greediest(self) -> Share:
        """The caller that has the most requests waiting; only while some wait."""
        return max(self._shares.values(), key=_size)

    def ahead(self, caller: str, rows: int) -> int:
        """Bound the rows that go before a new request of a caller.

        They are the caller's own, and of every other caller as many as it may have until then, with one turn more.
        """
        share = self._shares.get(caller)
        own, others = (share.rows, len(self._shares) - 1) if share is not None else (0, len(self._shares))
        return min(self.rows, own + others * (own + rows + self._quantum))


class Totals:
    """What waits at all priorities.

    Attributes:
        size: Requests.
        rows: Rows.
        alike: Rows of requests that may share a batch, by what they have in common.
    """

    __slots__ = ("alike", "rows", "size")

    def __init__(self) -> None:
        self.size = self.rows = 0
        self.alike: dict[Hashable, int] = {}

    def add(self, key: Hashable, rows: int) -> None:
        """Count a request that came."""
        self.size += 1
        self.rows += rows
        self.alike[key] = self.alike.get(key, 0) + rows

    def remove(self, key: Hashable, size: int, rows: int) -> None:
        """Count requests that left."""
        self.size -= size
        self.rows -= rows
        left = self.alike[key] - rows
        if left:
            self.alike[key] = left
        else:
            del self.alike[key]


def _enqueued(ticket: Ticket) -> float:
    return ticket.enqueued


def _size(share: Share) -> int:
    return share.size
