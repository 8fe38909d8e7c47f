"""Which place has the packs: written down in the database, and in an object store too.

Two databases that took one place for theirs would collect each other's packs, and one that is pointed to another place
finds none of its own. Both are refused before anything is read or written there.
"""

from __future__ import annotations

import uuid

from sqlalchemy import Connection, Engine

from pumice.db import packs
from pumice.db.engine import READS
from pumice.domain.errors import BadSetting
from pumice.store.layout import Layout
from pumice.store.sessions import transaction


def check_place(engine: Engine, layout: Layout) -> None:
    """Refuse a setting that contradicts where the packs are; asks the database alone.

    Raises:
        BadSetting: The packs are elsewhere.
        StorageFailed: The database could not be read.
    """
    with transaction(engine.execution_options(**READS)) as connection:
        _known(connection, layout)


def claim_place(engine: Engine, layout: Layout) -> None:
    """Make the place this store's before something is put there or taken away.

    Raises:
        BadSetting: The packs are elsewhere, or the place is another database's.
        StorageFailed: It could not be told.
    """
    with transaction(engine.execution_options(**READS)) as connection:
        known = _known(connection, layout)
    if known is None:
        with transaction(engine) as connection:
            packs.lock(connection)
            known = _known(connection, layout) or str(uuid.uuid4())
            if packs.place(connection) is None:
                packs.settle_at(connection, known, layout.url)
    if layout.remote:
        layout.remote.claim(known)


def _known(connection: Connection, layout: Layout) -> str | None:
    """The id of the place; None if there is none yet."""
    found = packs.place(connection)
    if found is None and layout.remote and packs.any_pack(connection):
        raise _elsewhere(layout, "")
    if found is None:
        return None
    if found[1] != layout.url:
        raise _elsewhere(layout, found[1])
    return found[0]


def _elsewhere(layout: Layout, url: str) -> BadSetting:
    there = (
        f"{url!r}, where they are"
        if url
        else "nothing, since they are in the home; an object store takes an empty database"
    )
    return BadSetting("store_url", repr(layout.url) if layout.url else "nothing", there)
