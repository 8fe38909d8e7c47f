"""What the store's operations take and tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from pumice.domain.store.manifest import VersionManifest
from pumice.domain.store.records import Move, VersionRecord

Progress = Callable[[int, int], None]
"""Told how many bytes are done, and of how many."""


class PushWish(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of a new version besides its files.

    Attributes:
        parents: References to the versions that it was made from.
        recipe: How it was made from them.
        reason: Why it is pushed, for the journal.
    """

    parents: tuple[str, ...] = ()
    recipe: dict[str, Any] = msgspec.field(default_factory=dict)
    reason: str = ""


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of a version.

    Attributes:
        record: How it was entered.
        aliases: Aliases that point to it now.
        manifest: What its digest stands for.
        children: Versions that were made from it.
        history: The last lines of the model's journal, the newest first.
    """

    record: VersionRecord
    aliases: list[str]
    manifest: VersionManifest
    children: list[str]
    history: list[Move]


class Lineage(msgspec.Struct, frozen=True, kw_only=True):
    """Where a version comes from.

    Attributes:
        ref: The version.
        digest: Digest of its manifest, in hex.
        recipe: How it was made from its parents.
        parents: The versions that it was made from, with theirs. One that was told before has none here.
        children: Versions that were made from it; of the version that was asked for alone.
    """

    ref: str
    digest: str
    recipe: dict[str, Any]
    parents: list[Lineage]
    children: list[str]


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What a verification found.

    Attributes:
        versions: Versions that were looked at.
        files: Files of them.
        bytes: Bytes that were read and hashed.
        problems: What has changed, each with its reason; empty: nothing.
        leftovers: Files of pushes that did not come to their end; no version uses them.
    """

    versions: int
    files: int
    bytes: int
    problems: list[str]
    leftovers: int
