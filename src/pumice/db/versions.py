"""The statements of the store's versions, aliases and journal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from pumice.db.postgres import is_postgres
from pumice.db.schema import (
    store_aliases,
    store_journal,
    store_models,
    store_parents,
    store_seals,
    store_signatures,
    store_uses,
    store_versions,
)
from pumice.domain.store.records import Kind, ModelSummary, Move, VersionRecord

_IS_VERSION = (store_versions.c.model == bindparam("m"), store_versions.c.version == bindparam("v"))
_ONE = select(store_versions).where(*_IS_VERSION)
_NEWEST = (
    select(store_versions)
    .where(store_versions.c.model == bindparam("m"))
    .order_by(store_versions.c.version.desc())
    .limit(1)
)
_ALL = select(store_versions).where(store_versions.c.model == bindparam("m")).order_by(store_versions.c.version)
_LAST = (
    select(store_versions.c.model, func.max(store_versions.c.version).label("v"), func.count().label("n"))
    .group_by(store_versions.c.model)
    .subquery()
)
# no more columns than are told: of a thousand models, each costs
_MODELS = (
    select(
        store_versions.c.model,
        _LAST.c.n,
        store_versions.c.version,
        store_versions.c.created,
        store_versions.c.size,
        store_versions.c.format,
    )
    .join(_LAST, (store_versions.c.model == _LAST.c.model) & (store_versions.c.version == _LAST.c.v))
    .order_by(store_versions.c.model)
)
_ALIASES = (
    select(store_aliases.c.alias, store_aliases.c.version)
    .where(store_aliases.c.model == bindparam("m"))
    .order_by(store_aliases.c.alias)
)
_ALIAS = select(store_aliases.c.version, store_aliases.c.move).where(
    store_aliases.c.model == bindparam("m"), store_aliases.c.alias == bindparam("a")
)
_OF_ALIAS = (store_journal.c.model == bindparam("m"), store_journal.c.alias == bindparam("a"))
_AT = (
    select(store_journal)
    .where(*_OF_ALIAS, store_journal.c.at <= bindparam("t"))
    .order_by(store_journal.c.id.desc())
    .limit(1)
)
_LINE = select(store_journal).where(store_journal.c.id == bindparam("line"))


class NewMove(TypedDict):
    """A line of the journal before it has its place; see `Move`."""

    model: str
    kind: Kind
    alias: str
    version: int
    below: int | None
    at: float
    moved_by: str
    reason: str


def next_number(connection: Connection, model: str) -> int:
    """Give a model's next version its number, inside a transaction that shuts out other writers of this model."""
    dialect = postgresql if is_postgres(connection) else sqlite
    entered = dialect.insert(store_models).values(name=model, last=1)
    counted = entered.on_conflict_do_update(index_elements=["name"], set_={"last": store_models.c.last + 1})
    return int(connection.execute(counted.returning(store_models.c.last)).scalar_one())


def add(connection: Connection, record: VersionRecord, parents: Sequence[tuple[str, int]]) -> None:
    """Enter a version."""
    fields = {name: getattr(record, name) for name in record.__struct_fields__}
    connection.execute(insert(store_versions), [fields])
    rows = [
        {"model": record.model, "version": record.version, "parent_model": model, "parent_version": version}
        for model, version in dict.fromkeys(parents)
    ]
    if rows:
        connection.execute(insert(store_parents), rows)


def find(connection: Connection, model: str, version: int) -> VersionRecord | None:
    """One version, or None."""
    return _record(connection.execute(_ONE, {"m": model, "v": version}).one_or_none())


def newest(connection: Connection, model: str) -> VersionRecord | None:
    """The version of a model with the greatest number, or None."""
    return _record(connection.execute(_NEWEST, {"m": model}).one_or_none())


def every(connection: Connection, model: str) -> list[VersionRecord]:
    """All versions of a model, the oldest first."""
    return [VersionRecord(**row._mapping) for row in connection.execute(_ALL, {"m": model})]  # noqa: SLF001 - its public name


def models(connection: Connection) -> list[ModelSummary]:
    """Every model that has a version, with its newest one, by name."""
    pointing = all_aliases(connection)
    return [
        ModelSummary(
            model=model,
            versions=count,
            newest=newest,
            changed=created,
            size=size,
            format=form,
            aliases=pointing.get(model, {}),
        )
        for model, count, newest, created, size, form in connection.execute(_MODELS).fetchall()
    ]


def names(connection: Connection) -> list[str]:
    """Names of the models that have a version, ordered."""
    return list(
        connection.execute(select(store_versions.c.model).distinct().order_by(store_versions.c.model)).scalars()
    )


def delete_version(connection: Connection, model: str, version: int) -> None:
    """Take a version out, with what it uses and comes from, and its key. Its number is not given again."""
    key = {"m": model, "v": version}
    for table in (store_versions, store_parents, store_uses, store_signatures, store_seals):
        connection.execute(delete(table).where(table.c.model == bindparam("m"), table.c.version == bindparam("v")), key)


def children(connection: Connection, model: str, version: int) -> list[tuple[str, int]]:
    """Versions that were made from this one."""
    rows = connection.execute(
        select(store_parents.c.model, store_parents.c.version)
        .where(store_parents.c.parent_model == model, store_parents.c.parent_version == version)
        .order_by(store_parents.c.model, store_parents.c.version)
    )
    return [(row.model, row.version) for row in rows]


def parents(connection: Connection, model: str, version: int) -> list[tuple[str, int]]:
    """Versions that this one was made from, as the database has them."""
    where = (store_parents.c.model == model, store_parents.c.version == version)
    rows = connection.execute(select(store_parents).where(*where))
    return [(row.parent_model, row.parent_version) for row in rows]


def aliases(connection: Connection, model: str) -> dict[str, int]:
    """Aliases of a model, with the versions that they point to."""
    return {row.alias: row.version for row in connection.execute(_ALIASES, {"m": model})}


def all_aliases(connection: Connection) -> dict[str, dict[str, int]]:
    """Aliases of every model that has some."""
    found: dict[str, dict[str, int]] = {}
    columns = (store_aliases.c.model, store_aliases.c.alias, store_aliases.c.version)
    for model, name, version in connection.execute(select(*columns).order_by(*columns[:2])).fetchall():
        found.setdefault(model, {})[name] = version
    return found


def alias(connection: Connection, model: str, name: str) -> tuple[int, int] | None:
    """The version that an alias points to, and the line of the journal that put it there; or None."""
    row = connection.execute(_ALIAS, {"m": model, "a": name}).one_or_none()
    return None if row is None else (row.version, row.move)


def point(connection: Connection, model: str, name: str, version: int, move: int) -> None:
    """Let an alias point to a version."""
    key = (store_aliases.c.model == model, store_aliases.c.alias == name)
    if not connection.execute(update(store_aliases).where(*key).values(version=version, move=move)).rowcount:
        connection.execute(insert(store_aliases).values(model=model, alias=name, version=version, move=move))


def write_down(connection: Connection, move: NewMove) -> int:
    """Add a line to the journal; its time is never before that of the line above it.

    Returns:
        The line's place.
    """
    last = connection.execute(select(store_journal.c.at).order_by(store_journal.c.id.desc()).limit(1)).scalar()
    at = max(move["at"], last or 0.0)
    done = connection.execute(insert(store_journal).values({**move, "at": at}))
    return int(done.inserted_primary_key[0])  # type: ignore[index]


def line(connection: Connection, place: int) -> Move | None:
    """A line of the journal, or None."""
    row = connection.execute(_LINE, {"line": place}).one_or_none()
    return None if row is None else _move(row)


def last_move(connection: Connection, model: str, name: str, at: float) -> Move | None:
    """The last move of an alias up to a moment (s since 1970), or None."""
    row = connection.execute(_AT, {"m": model, "a": name, "t": at}).one_or_none()
    return None if row is None else _move(row)


def history(connection: Connection, model: str, limit: int) -> list[Move]:
    """The last lines of a model's journal, the newest first."""
    rows = connection.execute(
        select(store_journal).where(store_journal.c.model == model).order_by(store_journal.c.id.desc()).limit(limit)
    )
    return [_move(row) for row in rows]


def digests(connection: Connection, model: str) -> dict[int, str]:
    """Digests of the manifests of a model's versions."""
    rows = connection.execute(
        select(store_versions.c.version, store_versions.c.digest).where(store_versions.c.model == model)
    )
    return {row.version: row.digest for row in rows}


def lines_after(connection: Connection, model: str, place: int) -> list[Move]:
    """Lines of a model's journal behind a place, in order."""
    where = (store_journal.c.model == model, store_journal.c.id > place)
    return [_move(row) for row in connection.execute(select(store_journal).where(*where).order_by(store_journal.c.id))]


def _record(row: Row[Any] | None) -> VersionRecord | None:
    return None if row is None else VersionRecord(**row._mapping)  # noqa: SLF001 - its public name


def _move(row: Row[Any]) -> Move:
    return Move(**row._mapping)  # noqa: SLF001 - its public name
