"""The queue of a version, against a model of what it promises."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pumice.domain.errors import PumiceError
from pumice.domain.request import InferRequest, InferResult
from pumice.runtime.front.queue import PendingQueue
from pumice.runtime.front.ticket import Ticket


def _ignore(result: InferResult | None, error: PumiceError | None) -> None:
    """Take an answer that no test looks at."""


def _never(ticket: Ticket) -> None:
    msg = f"{ticket} was dropped"
    raise AssertionError(msg)


def ticket(
    *, rows: int = 1, priority: int = 8, key: int | None = None, at: float = 0.0, deadline: float | None = None
) -> Ticket:
    request = InferRequest({"x": np.zeros((rows, 1), np.float32)}, priority=priority, deadline=deadline, rows=rows)
    return Ticket(request, key, at, _ignore)


def take(queue: PendingQueue, rows: int, now: float = 0.0) -> list[Ticket]:
    lane = queue.next_lane(now)
    return queue.take(lane, rows, now) if lane is not None else []


def test_first_come_first_served_up_to_the_limit() -> None:
    queue = PendingQueue(dropped=_never)
    tickets = [ticket(at=float(i)) for i in range(5)]
    for item in tickets:
        queue.push(item)
    assert take(queue, 3) == tickets[:3]
    assert take(queue, 3) == tickets[3:]
    assert len(queue) == 0


def test_urgent_requests_go_first() -> None:
    queue = PendingQueue(dropped=_never)
    late, urgent = ticket(priority=8, at=0.0), ticket(priority=1, at=1.0)
    queue.push(late)
    queue.push(urgent)
    assert take(queue, 1) == [urgent]


def test_a_request_larger_than_the_limit_goes_alone() -> None:
    queue = PendingQueue(dropped=_never)
    large, small = ticket(rows=9), ticket(at=1.0)
    queue.push(large)
    queue.push(small)
    assert take(queue, 4) == [large]


def test_one_to_be_run_alone_has_no_mates() -> None:
    queue = PendingQueue(dropped=_never)
    suspect, other = ticket(), ticket(at=1.0)
    suspect.alone = True
    queue.push(other)
    queue.push(suspect, first=True)
    assert take(queue, 8) == [suspect]
    assert take(queue, 8) == [other]


def test_expired_requests_are_told_and_cancelled_ones_vanish() -> None:
    dropped: list[Ticket] = []
    queue = PendingQueue(dropped.append)
    expired, cancelled, alive = ticket(deadline=1.0), ticket(), ticket(deadline=9.0)
    for item in (expired, cancelled, alive):
        queue.push(item)
    cancelled.cancel()
    assert take(queue, 8, now=5.0) == [alive]
    assert dropped == [expired]
    assert len(queue) == 0


requests = st.tuples(st.integers(1, 6), st.integers(1, 3), st.integers(0, 2), st.booleans(), st.booleans())


@given(st.lists(requests, max_size=40), st.integers(1, 10))
@settings(max_examples=200, deadline=None)
def test_every_request_comes_out_once_in_a_lawful_batch(
    items: list[tuple[int, int, int, bool, bool]], limit: int
) -> None:
    queue = PendingQueue(dropped=_never)
    waiting: set[Ticket] = set()
    for index, (rows, priority, key, alone, cancelled) in enumerate(items):
        one = ticket(rows=rows, priority=priority, key=key, at=float(index))
        one.alone = alone
        queue.push(one)
        if cancelled:
            one.cancel()
        else:
            waiting.add(one)
    while batch := take(queue, limit):
        assert len({one.key for one in batch}) == 1
        assert len(batch) == 1 or sum(one.request.rows for one in batch) <= limit
        assert len(batch) == 1 or not any(one.alone for one in batch)
        most_urgent = min((one.request.priority, one.enqueued) for one in waiting)
        assert (batch[0].request.priority, batch[0].enqueued) == most_urgent
        waiting -= set(batch)
    assert not waiting
    assert len(queue) == 0
