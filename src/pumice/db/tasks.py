"""The statements of asynchronous tasks, each an operation for `pumice.db.group.Database.call`.

A task lies in ``tasks`` from its acceptance until it is finished, then in ``task_results``; it moves in one
transaction, so it is never in both or in neither. Whoever looks for it looks in that order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from sqlalchemy import (
    BindParameter,
    Connection,
    Insert,
    Table,
    bindparam,
    case,
    delete,
    func,
    insert,
    null,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from pumice.db.schema import parts, results, tasks, webhooks

MAX_INLINE_BYTES = 16 * 1024
"""A claim brings requests up to this size along (bytes); larger ones are read when they run, so a claim stays small."""


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
    caller: str
    rows: int
    ttl: float | None
    webhook: str


@dataclass(frozen=True, slots=True)
class Ending:
    """How a task ends; all else that is told of its result is known from its acceptance."""

    id: str
    finished: float
    failed: bool
    outcome: bytes


@dataclass(frozen=True, slots=True)
class TaskState:
    """A task as it stands; what follows `caller` is set once it is finished, except for how far it is."""

    id: str
    model: str
    version: str
    face: str
    accepted: float
    caller: str
    finished: float | None = None
    failed: int = 0
    outcome: bytes | None = None
    expires: float | None = None
    rows: int = 1
    done: int = 0


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
    caller: str
    rows: int
    request: bytes | None


class PartRow(TypedDict):
    """Some finished rows of a task; the columns of ``task_parts``."""

    task: str
    first: int
    rows: int
    outcome: bytes


# made once: SQLAlchemy takes longer to build a statement than SQLite to run it
_IDS: BindParameter[Sequence[str]] = bindparam("ids", expanding=True)
_LASTING = (tasks.c.id, tasks.c.model, tasks.c.version, tasks.c.face, tasks.c.accepted, tasks.c.caller)
_REMOVE = delete(tasks).where(tasks.c.id.in_(_IDS)).returning(*_LASTING, tasks.c.rows, tasks.c.ttl, tasks.c.webhook)
_FINISH = insert(results)
_RESULT = select(results).where(results.c.id.in_(_IDS))
_FORGET = delete(results).where(results.c.id.in_(_IDS))
_FORGET_WEBHOOK = delete(webhooks).where(webhooks.c.id.in_(_IDS))
_REQUEST = select(tasks.c.request).where(tasks.c.id == bindparam("task"))
_WAITING = select(*_LASTING, tasks.c.rows).where(tasks.c.id.in_(_IDS))
_THERE = select(tasks.c.id).where(tasks.c.id.in_(_IDS))
_DONE = select(parts.c.task, func.sum(parts.c.rows)).where(parts.c.task.in_(_IDS)).group_by(parts.c.task)
_PARTS = (
    select(parts.c.first, parts.c.rows, parts.c.outcome).where(parts.c.task == bindparam("of")).order_by(parts.c.first)
)
_FORGET_PARTS = delete(parts).where(parts.c.task.in_(_IDS))
_HOLD = update(tasks).where(tasks.c.id == bindparam("task")).values(owner=bindparam("holder"))


def _tolerant(table: Table) -> dict[str, Insert]:
    """Inserts that leave a row that is there as it is, by the database's dialect."""
    return {
        "postgresql": postgresql.insert(table).on_conflict_do_nothing(),
        "sqlite": sqlite.insert(table).on_conflict_do_nothing(),
    }


_ACCEPT = _tolerant(tasks)
_KEEP_PART = _tolerant(parts)


def accept(connection: Connection, items: Sequence[TaskRow]) -> Sequence[None]:
    """Add tasks; one that is there already was added by a try whose answer was lost."""
    connection.execute(_ACCEPT[connection.dialect.name], list(items))
    return [None] * len(items)


def finish(connection: Connection, items: Sequence[Ending]) -> Sequence[TaskState | None]:
    """Replace tasks by their results; None for one that was finished, or cancelled, before: what is there stays."""
    ids = sorted({item.id for item in items})
    removed = {row["id"]: row for row in connection.execute(_REMOVE, {"ids": ids}).mappings()}
    if not removed:
        return [None] * len(items)
    taken = [removed.pop(item.id, None) for item in items]
    ended = [(item, row) for item, row in zip(items, taken, strict=True) if row is not None]
    connection.execute(_FINISH, [_result(item, row) for item, row in ended])
    parted = [item.id for item, row in ended if row["rows"] > 1]
    if parted:
        connection.execute(_FORGET_PARTS, {"ids": parted})
    to_tell = [_outgoing(item, row["webhook"]) for item, row in ended if row["webhook"]]
    if to_tell:
        connection.execute(insert(webhooks), to_tell)
    states = {item.id: TaskState(**_result(item, row)) for item, row in ended}
    return [states.pop(item.id, None) for item in items]


def _result(item: Ending, row: Mapping[Any, Any]) -> dict[str, Any]:
    told = {column.name: row[column.name] for column in _LASTING}
    ttl = row["ttl"]
    ending = {"finished": item.finished, "failed": int(item.failed), "outcome": item.outcome}
    return told | ending | {"expires": None if ttl is None else item.finished + ttl}


def _outgoing(item: Ending, url: str) -> dict[str, Any]:
    return {"id": item.id, "url": url, "begun": item.finished, "due": item.finished, "tries": 0}


def find(connection: Connection, items: Sequence[str]) -> Sequence[TaskState | None]:
    """Look tasks up by their ids; None where there is no such task."""
    found: dict[str, TaskState] = {}
    waiting = connection.execute(_WAITING, {"ids": items}).mappings().all()
    parted = [row["id"] for row in waiting if row["rows"] > 1]
    done = _done(connection, parted)
    for row in waiting:
        found[row["id"]] = TaskState(**row, done=done.get(row["id"], 0))
    missing = [task_id for task_id in items if task_id not in found]
    if missing:
        for row in connection.execute(_RESULT, {"ids": missing}).mappings():
            found[row["id"]] = TaskState(**row)
    return [found.get(task_id) for task_id in items]


def _done(connection: Connection, ids: list[str]) -> dict[str, int]:
    """Rows of tasks that are finished."""
    return {row[0]: row[1] for row in connection.execute(_DONE, {"ids": ids})} if ids else {}


def load(connection: Connection, items: Sequence[str]) -> Sequence[bytes | None]:
    """Read the requests of tasks; None where the task is finished."""
    # one by one: these are the large ones
    return [connection.scalar(_REQUEST, {"task": task_id}) for task_id in items]


def forget(connection: Connection, items: Sequence[str]) -> Sequence[None]:
    """Delete results, and what was to be told of them."""
    connection.execute(_FORGET, {"ids": items})
    connection.execute(_FORGET_WEBHOOK, {"ids": items})
    return [None] * len(items)


def unfinished(connection: Connection, items: Sequence[Sequence[str]]) -> Sequence[set[str]]:
    """Tell which of some tasks are not finished."""
    return [set(connection.scalars(_THERE, {"ids": ids})) for ids in items]


def claim(connection: Connection, items: Sequence[Claim]) -> Sequence[list[Claimed]]:
    """Take tasks that nobody holds, the most urgent first, then the oldest."""
    return [_claim(connection, item) for item in items]


def _claim(connection: Connection, item: Claim) -> list[Claimed]:
    small = case((func.length(tasks.c.request) <= MAX_INLINE_BYTES, tasks.c.request), else_=null())
    told = (tasks.c.id, tasks.c.priority, tasks.c.face, tasks.c.accepted, tasks.c.caller, tasks.c.rows)
    rows = connection.execute(
        select(*told, small)
        .where(tasks.c.owner.is_(None), tasks.c.model == item.model, tasks.c.version == item.version)
        .order_by(tasks.c.priority, tasks.c.id)
        .limit(item.limit)
        .with_for_update(skip_locked=True)
    )
    claimed = [Claimed(*row) for row in rows]
    if claimed:
        connection.execute(_HOLD, [{"task": task.id, "holder": item.owner} for task in claimed])
    return claimed


def keep_part(connection: Connection, items: Sequence[PartRow]) -> Sequence[bool]:
    """Keep finished rows of tasks; False where the task is finished, or was cancelled."""
    there = set(connection.scalars(_THERE, {"ids": [item["task"] for item in items]}))
    kept = [item for item in items if item["task"] in there]
    if kept:
        connection.execute(_KEEP_PART[connection.dialect.name], kept)
    return [item["task"] in there for item in items]


def parts_of(connection: Connection, items: Sequence[str]) -> Sequence[list[PartRow]]:
    """Read the finished rows of tasks, in their order."""
    return [
        [
            PartRow(task=task_id, first=first, rows=rows, outcome=outcome)
            for first, rows, outcome in connection.execute(_PARTS, {"of": task_id})
        ]
        for task_id in items
    ]


def forget_parts(connection: Connection, items: Sequence[str]) -> Sequence[None]:
    """Delete the finished rows of tasks, so that they begin anew."""
    connection.execute(_FORGET_PARTS, {"ids": items})
    return [None] * len(items)
