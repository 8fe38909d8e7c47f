"""Moves of aliases, each written down in the transaction that makes it."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection

from pumice.db import versions as statements
from pumice.domain.errors import VersionNotFound
from pumice.domain.store.names import Ref
from pumice.domain.store.records import Kind, Move
from pumice.service.store.lookup import known, resolve


class Mover(msgspec.Struct, frozen=True):
    """Who changes something, when and why.

    Attributes:
        by: Who.
        at: When (s since 1970).
        reason: Why, in that person's words.
    """

    by: str
    at: float
    reason: str = ""


def set_alias(connection: Connection, model: str, alias: str, version: int, mover: Mover) -> Move:
    """Let an alias point to a version; nothing is written down if it does so already.

    Raises:
        VersionNotFound: There is no such version.
    """
    resolve(connection, Ref(model, version=version))
    pointed = statements.alias(connection, model, alias)
    if pointed is not None and pointed[0] == version:
        return _line(connection, pointed[1])
    return _move(connection, Step("alias", model, alias, version, None if pointed is None else pointed[1]), mover)


def roll_back(connection: Connection, model: str, alias: str, mover: Mover) -> Move:
    """Let an alias point to where it pointed before, step by step; a rollback is no step that one could go back to.

    Versions that were deleted since are passed over.

    Raises:
        VersionNotFound: There is no such alias, or nothing before.
    """
    pointed = statements.alias(connection, model, alias)
    if pointed is None:
        raise VersionNotFound(str(Ref(model, alias=alias)), known(connection, model))
    below = _line(connection, pointed[1]).below
    while below is not None:
        step = _line(connection, below)
        if step.version != pointed[0] and statements.find(connection, model, step.version) is not None:
            return _move(connection, Step("rollback", model, alias, step.version, step.below), mover)
        below = step.below
    raise VersionNotFound(f"{Ref(model, alias=alias)}, one step back", known(connection, model))


class Step(msgspec.Struct, frozen=True):
    """A move that is to be made; see `Move`."""

    kind: Kind
    model: str
    alias: str
    version: int
    below: int | None


def _move(connection: Connection, step: Step, mover: Mover) -> Move:
    place = note(connection, step, mover)
    statements.point(connection, step.model, step.alias, step.version, place)
    return _line(connection, place)


def note(connection: Connection, step: Step, mover: Mover) -> int:
    """Write a line into the journal, and return its place."""
    return statements.write_down(
        connection,
        statements.NewMove(
            model=step.model,
            kind=step.kind,
            alias=step.alias,
            version=step.version,
            below=step.below,
            at=mover.at,
            moved_by=mover.by,
            reason=mover.reason,
        ),
    )


def _line(connection: Connection, place: int) -> Move:
    found = statements.line(connection, place)
    assert found is not None  # noqa: S101 - lines are never taken out
    return found
