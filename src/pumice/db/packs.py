"""The statements of chunks, packs, and the sessions that rely on them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypedDict

from sqlalchemy import Connection, bindparam, delete, exists, insert, select, text, update

from pumice.db.postgres import is_postgres
from pumice.db.schema import (
    store_chunks,
    store_loose,
    store_packs,
    store_pins,
    store_places,
    store_served,
    store_sessions,
    store_uses,
    store_versions,
)

_AT_ONCE = 500
"""Digests in one query; SQLite takes 999 variables in its oldest form."""

_LOCK = 0x50554D53544F5245
"""Key of the advisory lock of those who enter or take away packs: "PUMSTORE" as a number."""

_FIND = "SELECT digest, pack, start, size FROM store_chunks WHERE digest IN ({})"


class Place(NamedTuple):
    """Where a chunk lies: its pack, its first byte there, and its length (bytes)."""

    pack: str
    start: int
    size: int


class PackRow(TypedDict):
    """A pack; the columns of ``store_packs``."""

    id: str
    size: int
    digest: str
    created: float


def lock(connection: Connection) -> None:
    """Shut out others who pin, enter or take away packs until the transaction ends; SQLite has one writer anyway."""
    if is_postgres(connection):
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def find(connection: Connection, digests: Collection[bytes]) -> dict[bytes, Place]:
    """Where chunks lie; those that are not stored are left out."""
    wanted = list(digests)
    mark = "%s" if is_postgres(connection) else "?"
    found: dict[bytes, Place] = {}
    for first in range(0, len(wanted), _AT_ONCE):
        asked = tuple(wanted[first : first + _AT_ONCE])
        # as the driver takes it: what SQLAlchemy does to each digest would be two thirds of the time
        rows = connection.exec_driver_sql(_FIND.format(", ".join([mark] * len(asked))), asked).fetchall()
        for digest, pack, start, size in rows:
            found[bytes(digest)] = Place(pack, start, size)
    return found


def enter(connection: Connection, pack: PackRow, chunks: Mapping[bytes, tuple[int, int]]) -> set[str]:
    """Enter a pack and its chunks: digest -> first byte and length.

    Returns:
        Packs where some of the chunks lie already, because another push was faster; they stay there.
    """
    connection.execute(insert(store_packs), [dict(pack)])
    known = find(connection, chunks.keys())
    rows = [
        {"digest": digest, "pack": pack["id"], "start": start, "size": size}
        for digest, (start, size) in chunks.items()
        if digest not in known
    ]
    if rows:
        _insert_chunks(connection, rows)
    return {place.pack for place in known.values()}


def move_away(connection: Connection, digests: Collection[bytes], pack: str, session: str) -> None:
    """Forget where chunks lie, since they are damaged there; a new pack, which is entered next, has them whole.

    Args:
        connection: The transaction; it holds `lock`.
        digests: The chunks.
        pack: Id of the new pack. Whoever used or pinned the old ones uses and pins it too.
        session: The session that enters it, which pins it itself.
    """
    old = {place.pack for place in find(connection, digests).values()}
    connection.execute(delete(store_chunks).where(store_chunks.c.digest == bindparam("d")), [{"d": d} for d in digests])
    for table in (store_uses, store_pins):
        keys = [column for column in table.primary_key if column.name != "pack"]
        found = connection.execute(select(*keys).where(table.c.pack.in_(old)).distinct()).mappings()
        rows = [{**row, "pack": pack} for row in found if row.get("session") != session]
        if rows:
            connection.execute(insert(table), rows)


def _insert_chunks(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Hand many rows to the driver as they are: what SQLAlchemy does to each would be a tenth of a push."""
    compiled = insert(store_chunks).compile(dialect=connection.dialect)
    statement = str(compiled)
    if compiled.positional:
        order = compiled.positiontup or []
        connection.exec_driver_sql(statement, [tuple(row[name] for name in order) for row in rows])
    else:
        connection.exec_driver_sql(statement, rows)


def use(connection: Connection, model: str, version: int, packs: Iterable[str]) -> None:
    """Note which packs hold chunks of a version."""
    rows = [{"model": model, "version": version, "pack": pack} for pack in sorted(set(packs))]
    connection.execute(insert(store_uses), rows)


def used_by(connection: Connection, model: str, version: int) -> list[str]:
    """Packs with chunks of a version."""
    where = (store_uses.c.model == model, store_uses.c.version == version)
    return list(connection.execute(select(store_uses.c.pack).where(*where).order_by(store_uses.c.pack)).scalars())


def every(connection: Connection) -> list[PackRow]:
    """All packs, the oldest first."""
    rows = connection.execute(select(store_packs).order_by(store_packs.c.created, store_packs.c.id)).mappings()
    return [PackRow(id=row["id"], size=row["size"], digest=row["digest"], created=row["created"]) for row in rows]


def unused(connection: Connection) -> list[PackRow]:
    """Packs that no version uses and no session relies on."""
    used = exists().where(store_uses.c.pack == store_packs.c.id)
    pinned = exists().where(store_pins.c.pack == store_packs.c.id)
    rows = connection.execute(select(store_packs).where(~used, ~pinned).order_by(store_packs.c.id)).mappings()
    return [PackRow(id=row["id"], size=row["size"], digest=row["digest"], created=row["created"]) for row in rows]


def take_out(connection: Connection, ids: Sequence[str]) -> None:
    """Forget packs and their chunks."""
    columns = (store_chunks.c.pack, store_packs.c.id, store_loose.c.pack)
    for table, column in zip((store_chunks, store_packs, store_loose), columns, strict=True):
        connection.execute(delete(table).where(column == bindparam("p")), [{"p": pack} for pack in ids])


def loosen(connection: Connection, model: str, version: int) -> None:
    """Note that packs lose a version that uses them."""
    known = set(connection.execute(select(store_loose.c.pack)).scalars())
    rows = [{"pack": pack} for pack in used_by(connection, model, version) if pack not in known]
    if rows:
        connection.execute(insert(store_loose), rows)


def loose(connection: Connection) -> list[str]:
    """Packs that lost a version, and are used by others."""
    used = exists().where(store_uses.c.pack == store_loose.c.pack)
    return list(connection.execute(select(store_loose.c.pack).where(used).order_by(store_loose.c.pack)).scalars())


def hold_fast(connection: Connection, pack: str) -> None:
    """Note that enough of a pack is needed."""
    connection.execute(delete(store_loose).where(store_loose.c.pack == pack))


def users(connection: Connection, pack: str) -> list[tuple[str, int, str]]:
    """Versions that use a pack, each with the digest of its manifest."""
    same = (store_versions.c.model == store_uses.c.model) & (store_versions.c.version == store_uses.c.version)
    rows = connection.execute(
        select(store_versions.c.model, store_versions.c.version, store_versions.c.digest)
        .join(store_uses, same)
        .where(store_uses.c.pack == pack)
        .order_by(store_versions.c.model, store_versions.c.version)
    )
    return [(row.model, row.version, row.digest) for row in rows]


def chunks_of(connection: Connection, pack: str) -> dict[bytes, tuple[int, int]]:
    """The chunks that are found in a pack: digest -> first byte and length."""
    rows = connection.execute(select(store_chunks).where(store_chunks.c.pack == pack))
    return {bytes(row.digest): (row.start, row.size) for row in rows}


def pinned_by_others(connection: Connection, pack: str, session: str) -> bool:
    """Whether another session relies on a pack."""
    where = (store_pins.c.pack == pack, store_pins.c.session != session)
    return connection.execute(select(store_pins.c.session).where(*where).limit(1)).first() is not None


def replace(connection: Connection, old: str, pack: PackRow, chunks: Mapping[bytes, tuple[int, int]]) -> None:
    """Let a new pack take the place of an old one, whose other chunks are forgotten."""
    take_out(connection, [old])
    enter(connection, pack, chunks)
    for table in (store_uses, store_pins):
        connection.execute(update(table).where(table.c.pack == old).values(pack=pack["id"]))


def any_pack(connection: Connection) -> bool:
    """Whether there is a pack."""
    return connection.execute(select(store_packs.c.id).limit(1)).first() is not None


def drop(connection: Connection, pack: str) -> None:
    """Forget a pack of which nothing is needed any more, though versions used it."""
    take_out(connection, [pack])
    for table in (store_uses, store_pins):
        connection.execute(delete(table).where(table.c.pack == pack))


def place(connection: Connection) -> tuple[str, str] | None:
    """Id and URL of the place that has the packs; None if nothing was pushed yet."""
    row = connection.execute(select(store_places)).one_or_none()
    return None if row is None else (row.id, row.url)


def settle_at(connection: Connection, place_id: str, url: str) -> None:
    """Note which place has the packs."""
    connection.execute(insert(store_places).values(id=place_id, url=url))


def begin(connection: Connection, session: str, until: float) -> None:
    """Enter a session."""
    connection.execute(insert(store_sessions).values(id=session, until=until))


def renew(connection: Connection, session: str, until: float) -> bool:
    """Let a session live longer; whether it still lived."""
    changed = update(store_sessions).where(store_sessions.c.id == session).values(until=until)
    return bool(connection.execute(changed).rowcount)


def sessions(connection: Connection) -> dict[str, float]:
    """Sessions, with the moment (s since 1970) until which they are alive."""
    return {row.id: row.until for row in connection.execute(select(store_sessions))}


def end(connection: Connection, session: str) -> None:
    """Forget a session, its pins, and what it served."""
    connection.execute(delete(store_served).where(store_served.c.session == session))
    connection.execute(delete(store_pins).where(store_pins.c.session == session))
    connection.execute(delete(store_sessions).where(store_sessions.c.id == session))


def pin(connection: Connection, session: str, packs: Collection[str]) -> None:
    """Note that a session relies on packs."""
    known = connection.execute(select(store_pins.c.pack).where(store_pins.c.session == session)) if packs else ()
    new = set(packs).difference(row.pack for row in known)
    if new:
        connection.execute(insert(store_pins), [{"session": session, "pack": pack} for pack in sorted(new)])
