"""What the store tells of its versions, aliases and moves."""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal["push", "alias", "rollback", "delete", "reseal"]
"""What a line of the journal is about."""


class VersionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A version as it was entered; never changed.

    Attributes:
        model: Name of the model.
        version: Number, counted from 1; a number is given once.
        digest: SHA-256 of the manifest, in hex.
        created: When it was pushed (s since 1970).
        made_by: Who pushed it.
        format: Name of the engine that runs it, or of the files' form; empty: unknown.
        task: What a caller sends and gets.
        size: Length of its files (bytes).
        files: Number of its files.
        stored: Bytes that the push added to the store; less than ``size`` where chunks were there already.
    """

    model: str
    version: int
    digest: str
    created: float
    made_by: str
    format: str
    task: str
    size: int
    files: int
    stored: int


class ModelSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A model in a list.

    Attributes:
        model: Its name.
        versions: How many it has.
        newest: Number of the newest.
        changed: When that was pushed (s since 1970).
        size: Length of the newest version's files (bytes).
        format: Format of the newest.
        aliases: Its aliases with the versions that they point to.
    """

    model: str
    versions: int
    newest: int
    changed: float
    size: int
    format: str
    aliases: dict[str, int]


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the journal; never changed.

    Attributes:
        id: Its place; later lines have greater ones.
        model: Name of the model.
        kind: What happened.
        alias: The alias that moved; empty for what is about a version.
        version: The version that it points to from then on, that was pushed, deleted, or wrapped with another key.
        below: For aliases: the line to which a rollback returns, or None.
        at: When (s since 1970); never before the line above it.
        moved_by: Who did it.
        reason: Why, in that person's words.
    """

    id: int
    model: str
    kind: Kind
    alias: str
    version: int
    below: int | None
    at: float
    moved_by: str
    reason: str
