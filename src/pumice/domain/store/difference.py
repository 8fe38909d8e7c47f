"""What changed from one version to another."""

from __future__ import annotations

from typing import Any

import msgspec

from pumice.domain.store.manifest import StoredFile, VersionManifest


class Change(msgspec.Struct, frozen=True):
    """A value that differs.

    Attributes:
        before: The one of the first version; None if it has none.
        after: The one of the second.
    """

    before: Any
    after: Any


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """How a second version differs from a first one.

    Attributes:
        same: Whether nothing does.
        size: Bytes that it is larger (below 0: smaller).
        added: Paths of files that only the second one has.
        removed: Paths of files that only the first one has.
        changed: Files of both with other bytes: path -> sizes.
        spec: What is known of the model: key -> values. Metrics come one by one, as ``metrics.NAME``, and so do the
            signature's tensors, as ``input NAME`` and ``output NAME``.
        origin: Parents, recipe, environment and entry, where they differ.
    """

    same: bool
    size: int
    added: list[str]
    removed: list[str]
    changed: dict[str, Change]
    spec: dict[str, Change]
    origin: dict[str, Change]


def difference(first: VersionManifest, second: VersionManifest) -> Difference:
    """Compare two manifests."""
    before, after = _by_path(first), _by_path(second)
    changed = {
        path: Change(before[path].size, after[path].size)
        for path in sorted(before.keys() & after.keys())
        if before[path].sha256 != after[path].sha256
    }
    parts = ("entry", "parents", "recipe", "environment")
    return Difference(
        same=first == second,
        size=second.size - first.size,
        added=sorted(after.keys() - before.keys()),
        removed=sorted(before.keys() - after.keys()),
        changed=changed,
        spec=_changes(_flat(first), _flat(second)),
        origin=_changes(
            {part: msgspec.to_builtins(getattr(first, part)) for part in parts},
            {part: msgspec.to_builtins(getattr(second, part)) for part in parts},
        ),
    )


def _by_path(manifest: VersionManifest) -> dict[str, StoredFile]:
    return {file.path: file for file in manifest.files}


def _flat(manifest: VersionManifest) -> dict[str, Any]:
    spec: dict[str, Any] = msgspec.to_builtins(manifest.spec)
    metrics = spec.pop("metrics", {})
    spec.pop("signature", None)
    return spec | manifest.tensors | {f"metrics.{name}": value for name, value in metrics.items()}


def _changes(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Change]:
    keys = sorted(before.keys() | after.keys())
    pairs = ((key, Change(before.get(key), after.get(key))) for key in keys)
    return {key: change for key, change in pairs if change.before != change.after}
