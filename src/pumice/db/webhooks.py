"""The statements of the outbox: who is to be told of finished tasks. Operations for `pumice.db.group.Database.call`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, select, update

from pumice.db.schema import webhooks

_DROP = delete(webhooks).where(webhooks.c.id.in_(bindparam("ids", expanding=True)))


@dataclass(frozen=True, slots=True)
class Due:
    """A wish for what is to be told now.

    Attributes:
        now: The time (s since 1970).
        again: When what is taken is due again, should nobody hear of it any more (s since 1970).
        limit: Most of them.
    """

    now: float
    again: float
    limit: int


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to be told.

    Attributes:
        id: The task.
        url: Where.
        begun: When the task was finished (s since 1970).
        tries: How often it was tried, this time included.
    """

    id: str
    url: str
    begun: float
    tries: int


def take(connection: Connection, items: Sequence[Due]) -> Sequence[list[Notice]]:
    """Take what is due; meanwhile no other gateway takes it."""
    return [_take(connection, item) for item in items]


def _take(connection: Connection, item: Due) -> list[Notice]:
    columns = (webhooks.c.id, webhooks.c.url, webhooks.c.begun, webhooks.c.tries)
    rows = connection.execute(
        select(*columns)
        .where(webhooks.c.due <= item.now)
        .order_by(webhooks.c.due)
        .limit(item.limit)
        .with_for_update(skip_locked=True)
    ).all()
    taken = [Notice(task_id, url, begun, tries + 1) for task_id, url, begun, tries in rows]
    for notice in taken:
        connection.execute(
            update(webhooks).where(webhooks.c.id == notice.id).values(due=item.again, tries=notice.tries)
        )
    return taken


def put_off(connection: Connection, items: Sequence[tuple[str, float]]) -> Sequence[None]:
    """Tell it later: at a moment (s since 1970)."""
    for task_id, due in items:
        connection.execute(update(webhooks).where(webhooks.c.id == task_id).values(due=due))
    return [None] * len(items)


def drop(connection: Connection, items: Sequence[str]) -> Sequence[None]:
    """Tell it no more."""
    connection.execute(_DROP, {"ids": items})
    return [None] * len(items)
