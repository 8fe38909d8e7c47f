"""The statements of asynchronous tasks, each an operation for `pumice.db.group.Database.call`.

A task lies in ``tasks`` from its acceptance until it is finished, then in ``task_results``; it moves in one
transaction, so it is never in both or in neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, cast

from sqlalchemy import BindParameter, Connection, bindparam, case, delete, func, insert, null, select, update

from pumice.db.leases import LEASE_S, abandoned, sweep_locks
from pumice.db.schema import owners, results, tasks

MAX_INLINE_BYTES = 16 * 1024
"""A claim brings requests up to this size along (bytes); larger ones are read when they run, so a claim stays small."""

PAGE = 1000
"""Most rows that one cleaning operation touches, so that it does not hold up those who wait to be accepted."""


class TaskRow(TypedDict):
    """A task as it is accepted; the columns of ``tasks``."""

    id: str
    model: str
    version: str
    priority: int
    face: str
    accepted: float
    owner: str | None
    request: bytes


class ResultRow(TypedDict):
    """A task as it is finished; the columns of ``task_results``."""

    id: str
    model: str
    version: str
    face: str
    accepted: float
    finished: float
    failed: int
    outcome: bytes


@dataclass(frozen=True, slots=True)
class TaskState:
    """A task as it stands; the last three are set once it is finished."""

    id: str
    model: str
    version: str
    face: str
    accepted: float
    finished: float | None = None
    failed: int = 0
    outcome: bytes | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A wish for tasks of one model that nobody holds.

    Attributes:
        owner: Who will hold them.
        model: Name of the model as its callers gave it.
        version: Version as they gave it; empty: whatever is newest.
        limit: Most tasks.
    """

    owner: str
    model: str
    version: str
    limit: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """A task that was claimed; `request` is None if it is large and has to be read apart."""

    id: str
    priority: int
    face: str
    accepted: float
    request: bytes | None


@dataclass(frozen=True, slots=True)
class Presence:
    """A gateway's sign of life.

    Attributes:
        owner: Its id.
        home: Its home, where the locks of its neighbours are.
        now: The time (s since 1970).
    """

    owner: str
    home: Path
    now: float


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


Backlog = dict[tuple[str, str], int]
"""How many tasks nobody holds, by model and version as their callers gave them."""


# made once: SQLAlchemy takes longer to build a statement than SQLite to run it
_IDS: BindParameter[Sequence[str]] = bindparam("ids", expanding=True)
_ACCEPT = insert(tasks)
_REMOVE = delete(tasks).where(tasks.c.id.in_(_IDS))
_FINISH = insert(results)
_FINISHED = select(results.c.id).where(results.c.id.in_(_IDS))
_RESULT = select(results).where(results.c.id.in_(_IDS))
_REQUEST = select(tasks.c.request).where(tasks.c.id == bindparam("task"))
_DESCRIBE = select(tasks.c.id, tasks.c.model, tasks.c.version, tasks.c.face, tasks.c.accepted)
_WAITING = _DESCRIBE.where(tasks.c.id.in_(_IDS))


def accept(connection: Connection, items: Sequence[TaskRow]) -> Sequence[None]:
    """Add tasks."""
    connection.execute(_ACCEPT, list(items))
    return [None] * len(items)


def finish(connection: Connection, items: Sequence[ResultRow]) -> Sequence[bool]:
    """Replace tasks by their results; False for one that another gateway finished before: its result stays."""
    ids = [item["id"] for item in items]
    removed = connection.execute(_REMOVE, {"ids": ids}).rowcount
    there: set[str] = set()
    if removed != len(items):
        there = set(connection.scalars(_FINISHED, {"ids": ids}))
    fresh = [item for item in items if item["id"] not in there]
    if fresh:
        connection.execute(_FINISH, fresh)
    return [task_id not in there for task_id in ids]


def find(connection: Connection, items: Sequence[str]) -> Sequence[TaskState | None]:
    """Look tasks up by their ids; None where there is no such task."""
    found: dict[str, TaskState] = {}
    for row in connection.execute(_RESULT, {"ids": items}).mappings():
        found[row["id"]] = TaskState(**row)
    missing = [task_id for task_id in items if task_id not in found]
    if missing:
        for row in connection.execute(_WAITING, {"ids": missing}).mappings():
            found[row["id"]] = TaskState(**row)
    return [found.get(task_id) for task_id in items]


def load(connection: Connection, items: Sequence[str]) -> Sequence[bytes | None]:
    """Read the requests of tasks; None where the task is finished."""
    # one by one: these are the large ones
    return [connection.scalar(_REQUEST, {"task": task_id}) for task_id in items]


def claim(connection: Connection, items: Sequence[Claim]) -> Sequence[list[Claimed]]:
    """Take tasks that nobody holds, the most urgent first, then the oldest."""
    return [_claim(connection, item) for item in items]


def _claim(connection: Connection, item: Claim) -> list[Claimed]:
    small = case((func.length(tasks.c.request) <= MAX_INLINE_BYTES, tasks.c.request), else_=null())
    rows = connection.execute(
        select(tasks.c.id, tasks.c.priority, tasks.c.face, tasks.c.accepted, small)
        .where(tasks.c.owner.is_(None), tasks.c.model == item.model, tasks.c.version == item.version)
        .order_by(tasks.c.priority, tasks.c.id)
        .limit(item.limit)
        .with_for_update(skip_locked=True)
    )
    claimed = [Claimed(task_id, priority, face, at, request) for task_id, priority, face, at, request in rows]
    if claimed:
        connection.execute(
            update(tasks).where(tasks.c.id == bindparam("task")).values(owner=item.owner),
            [{"task": task.id} for task in claimed],
        )
    return claimed


def tend(connection: Connection, items: Sequence[Presence]) -> Sequence[Backlog]:
    """Renew an owner's lease, free the tasks of owners that are gone, and tell what nobody holds."""
    return [_tend(connection, item) for item in items]


def _tend(connection: Connection, item: Presence) -> Backlog:
    until = item.now + LEASE_S
    if not connection.execute(update(owners).where(owners.c.id == item.owner).values(until=until)).rowcount:
        connection.execute(insert(owners).values(id=item.owner, until=until))
    leases = {
        owner: end for owner, end in connection.execute(select(owners.c.id, owners.c.until)) if owner != item.owner
    }
    sweep_locks(item.home, {item.owner, *leases})
    gone = [owner for owner, end in leases.items() if abandoned(item.home, owner, end, item.now)]
    if gone:
        connection.execute(delete(owners).where(owners.c.id.in_(gone)))
    connection.execute(
        update(tasks).where(tasks.c.owner.is_not(None), tasks.c.owner.not_in(select(owners.c.id))).values(owner=None)
    )
    counts = connection.execute(
        select(tasks.c.model, tasks.c.version, func.count())
        .where(tasks.c.owner.is_(None))
        .group_by(tasks.c.model, tasks.c.version)
    )
    return {(model, version): count for model, version, count in counts}


def leave(connection: Connection, items: Sequence[str]) -> Sequence[None]:
    """Give back all that owners hold and forget them."""
    connection.execute(update(tasks).where(tasks.c.owner.in_(items)).values(owner=None))
    connection.execute(delete(owners).where(owners.c.id.in_(items)))
    return [None] * len(items)


def purge(connection: Connection, items: Sequence[float]) -> Sequence[int]:
    """Delete up to `PAGE` results that finished before a moment (s since 1970); tell how many."""
    return [
        connection.execute(
            delete(results).where(results.c.id.in_(select(results.c.id).where(results.c.finished < before).limit(PAGE)))
        ).rowcount
        for before in items
    ]


def expire(connection: Connection, items: Sequence[Expiry]) -> Sequence[int]:
    """Fail up to `PAGE` tasks that nobody holds and that are too old; tell how many."""
    return [_expire(connection, item) for item in items]


def _expire(connection: Connection, item: Expiry) -> int:
    rows = connection.execute(_DESCRIBE.where(tasks.c.owner.is_(None), tasks.c.id < item.before).limit(PAGE)).mappings()
    ending = {"finished": item.now, "failed": 1, "outcome": item.outcome}
    ended = [cast("ResultRow", {**row, **ending}) for row in rows]
    if ended:
        finish(connection, ended)
    return len(ended)
