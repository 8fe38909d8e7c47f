"""From a reference to a version, inside a transaction."""

from __future__ import annotations

from sqlalchemy import Connection

from pumice.db import versions as statements
from pumice.domain.errors import VersionNotFound
from pumice.domain.store.names import Ref, parse_ref
from pumice.domain.store.records import VersionRecord


def resolve(connection: Connection, ref: str | Ref) -> VersionRecord:
    """Find the version that a reference means now.

    Raises:
        BadSetting: It is no reference.
        VersionNotFound: There is no such model, version or alias.
    """
    ref = parse_ref(ref) if isinstance(ref, str) else ref
    record = _find(connection, ref)
    if record is None:
        raise VersionNotFound(str(ref), known(connection, ref.model))
    return record


def known(connection: Connection, model: str) -> tuple[str, ...]:
    """What there is instead: versions and aliases of the model, or the models."""
    versions = tuple(f"{model}@{record.version}" for record in statements.every(connection, model))
    if versions:
        return (*(f"{model}@{alias}" for alias in statements.aliases(connection, model)), *reversed(versions))
    return tuple(statements.names(connection))


def _find(connection: Connection, ref: Ref) -> VersionRecord | None:
    if ref.version is not None:
        return statements.find(connection, ref.model, ref.version)
    if not ref.alias:
        return statements.newest(connection, ref.model)
    pointed = statements.alias(connection, ref.model, ref.alias)
    return None if pointed is None else statements.find(connection, ref.model, pointed[0])
