"""Where a version comes from: its parents and theirs, each held against the digest under which it is named."""

from __future__ import annotations

from sqlalchemy import Engine

from pumice.db import versions
from pumice.domain.store.names import Ref
from pumice.service.store.transfer import Transfer, resolve_same
from pumice.service.store.types import Lineage
from pumice.store.sessions import transaction


def trace(transfer: Transfer, reader: Engine, ref: str) -> Lineage:
    """Follow a version to its first parents.

    Args:
        transfer: Reads manifests.
        reader: The database, for reading.
        ref: The version.

    Raises:
        VersionNotFound: There is no such version.
        Tampered: A manifest has changed, or a parent is another one than it was.
    """
    record, _ = transfer.look(ref)
    with transaction(reader) as connection:
        children = versions.children(connection, record.model, record.version)
    return _trace(
        transfer, reader, str(Ref(record.model, record.version)), set(), [str(Ref(*child)) for child in children]
    )


def _trace(transfer: Transfer, reader: Engine, ref: str, told: set[str], children: list[str]) -> Lineage:
    record, manifest = transfer.look(ref)
    if ref in told:
        return Lineage(ref=ref, digest=record.digest, recipe={}, parents=[], children=[])
    told.add(ref)
    with transaction(reader) as connection:
        parents = [resolve_same(connection, parent) for parent in manifest.parents]
    return Lineage(
        ref=ref,
        digest=record.digest,
        recipe=manifest.recipe,
        parents=[_trace(transfer, reader, str(Ref(parent.model, parent.version)), told, []) for parent in parents],
        children=children,
    )
