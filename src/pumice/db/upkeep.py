"""The statements that keep the tasks' tables in order, each an operation for `pumice.db.group.Database.call`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, delete, func, insert, or_, select, update

from pumice.db.leases import abandoned, sweep_locks
from pumice.db.postgres import time_of
from pumice.db.schema import owners, parts, results, tasks
from pumice.db.tasks import Ending, TaskState, finish

PAGE = 1000
"""Most rows that one cleaning operation touches, so that it does not hold up those who wait to be accepted."""


@dataclass(frozen=True, slots=True)
class Presence:
    """A gateway's sign of life.

    Attributes:
        owner: Its id.
        home: Its home, where the locks of its neighbours are.
        now: The time (s since 1970).
        lease: How long the sign is good (s).
    """

    owner: str
    home: Path
    now: float
    lease: float


@dataclass(frozen=True, slots=True)
class Expiry:
    """An order to give up tasks that nobody has run.

    Attributes:
        before: The least id of a task that is young enough; ids follow the time.
        now: The time at which they end (s since 1970).
        outcome: What their callers get.
    """

    before: str
    now: float
    outcome: bytes


@dataclass(frozen=True, slots=True)
class Old:
    """Which results go.

    Attributes:
        before: Those that finished before this moment (s since 1970).
        now: Those whose own time is over (s since 1970).
    """

    before: float
    now: float


class Waiting(NamedTuple):
    """How many tasks are not finished.

    Attributes:
        all: All of them.
        free: Those that nobody holds.
    """

    all: int
    free: int


Backlog = dict[tuple[str, str], Waiting]
"""The tasks that are not finished, by model and version as their callers gave them."""


def tend(connection: Connection, items: Sequence[Presence]) -> Sequence[Backlog]:
    """Renew an owner's lease, free the tasks of owners that are gone, and tell what is not finished."""
    return [_tend(connection, item) for item in items]


def _tend(connection: Connection, item: Presence) -> Backlog:
    now = time_of(connection, item.now)
    until = now + item.lease
    if not connection.execute(update(owners).where(owners.c.id == item.owner).values(until=until)).rowcount:
        connection.execute(insert(owners).values(id=item.owner, until=until))
    leases = {
        owner: end for owner, end in connection.execute(select(owners.c.id, owners.c.until)) if owner != item.owner
    }
    sweep_locks(item.home, {item.owner, *leases})
    gone = [owner for owner, end in leases.items() if abandoned(item.home, owner, end, now)]
    if gone:
        connection.execute(delete(owners).where(owners.c.id.in_(gone)))
    connection.execute(
        update(tasks).where(tasks.c.owner.is_not(None), tasks.c.owner.not_in(select(owners.c.id))).values(owner=None)
    )
    counts = connection.execute(
        select(tasks.c.model, tasks.c.version, func.count(), func.count() - func.count(tasks.c.owner)).group_by(
            tasks.c.model, tasks.c.version
        )
    )
    return {(model, version): Waiting(every, free) for model, version, every, free in counts}


def leave(connection: Connection, items: Sequence[str]) -> Sequence[None]:
    """Give back all that owners hold and forget them."""
    connection.execute(update(tasks).where(tasks.c.owner.in_(items)).values(owner=None))
    connection.execute(delete(owners).where(owners.c.id.in_(items)))
    return [None] * len(items)


def purge(connection: Connection, items: Sequence[Old]) -> Sequence[int]:
    """Delete up to `PAGE` results whose time is over; tell how many."""
    return [_purge(connection, item) for item in items]


def _purge(connection: Connection, item: Old) -> int:
    old = or_(results.c.finished < item.before, results.c.expires < item.now)
    return connection.execute(
        delete(results).where(results.c.id.in_(select(results.c.id).where(old).limit(PAGE)))
    ).rowcount


def expire(connection: Connection, items: Sequence[Expiry]) -> Sequence[list[TaskState]]:
    """Fail up to `PAGE` tasks that nobody holds and that are too old; tell which."""
    return [_expire(connection, item) for item in items]


def _expire(connection: Connection, item: Expiry) -> list[TaskState]:
    old = select(tasks.c.id).where(tasks.c.owner.is_(None), tasks.c.id < item.before).limit(PAGE)
    ended = [Ending(task_id, item.now, True, item.outcome) for task_id in connection.scalars(old)]
    return [state for state in finish(connection, ended) if state is not None] if ended else []


def sweep_parts(connection: Connection, items: Sequence[None]) -> Sequence[None]:
    """Delete finished rows of tasks that are no more: kept by a gateway while another cancelled the task."""
    connection.execute(delete(parts).where(parts.c.task.not_in(select(tasks.c.id))))
    return [None] * len(items)
