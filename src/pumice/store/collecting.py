"""Collecting: packs that nobody needs are forgotten first and deleted afterwards.

The order is what keeps it from racing a push. In one transaction, which shuts out pushes that look for chunks, packs
that no version uses and no living session pins lose their rows. From then on nobody can find their chunks, so nobody
comes to rely on them, and their files are deleted. A crash in between leaves a file without a row, which the next
collection takes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, Engine

from pumice.db import packs as statements
from pumice.db.engine import READS
from pumice.db.leases import sweep_locks
from pumice.domain.store.told import Collected
from pumice.store.compacting import Compaction
from pumice.store.layout import Layout
from pumice.store.place import claim_place
from pumice.store.pushing import incoming_session
from pumice.store.sessions import living, transaction


class _DryRun(Exception):
    """Undoes the transaction."""


def collect(
    engine: Engine, layout: Layout, *, dry_run: bool = False, clock: Callable[[], float] = time.time
) -> Collected:
    """Delete what no version needs.

    Args:
        engine: The database.
        layout: The store's folder.
        dry_run: Only tell what would be deleted.
        clock: Seconds since 1970.

    Raises:
        StorageFailed: Something could not be read or deleted.
    """
    if not dry_run:
        claim_place(engine, layout)
    # files before rows: a pack that is entered meanwhile is then known, and one that is made meanwhile not listed
    files = layout.files()
    uploads = layout.remote.uploads() if layout.remote else []
    taken: list[statements.PackRow] = []
    try:
        with transaction(engine) as connection:
            taken = _forget(connection, layout, clock())
            if dry_run:
                raise _DryRun
    except _DryRun:
        pass
    with transaction(engine.execution_options(**READS)) as connection:
        gone = {row["id"] for row in taken}
        staying = [row for row in statements.every(connection) if row["id"] not in gone]
        alive, _ = living(connection, layout, clock())
    owned = {layout.pack(row["id"]) for row in staying} | {layout.pack(pack) for pack in gone}
    left = [path for path in files if path not in owned and incoming_session(path) not in alive]
    left = [path for path in left if path.suffix == ".pack"]
    size = sum(row["size"] for row in taken) + sum(files[path] for path in left)
    broken = [upload for upload in uploads if incoming_session(Path(upload[0])) not in alive]
    if not dry_run:
        for path in (*(layout.pack(row["id"]) for row in taken), *left):
            layout.delete(path)
        if layout.remote:
            layout.remote.abort(broken)
        sweep_locks(layout.root, alive)
    rewritten, saved = Compaction(engine, layout, clock).run(dry_run=dry_run)
    return Collected(
        packs=len(taken),
        rewritten=rewritten,
        leftovers=len(left) + len(broken),
        bytes=size + saved,
        kept=sum(row["size"] for row in staying),
        dry_run=dry_run,
    )


def _forget(connection: Connection, layout: Layout, now: float) -> list[statements.PackRow]:
    """Take the rows of what nobody needs out of the database."""
    statements.lock(connection)
    _, gone = living(connection, layout, now)
    for session in gone:
        statements.end(connection, session)
    taken = statements.unused(connection)
    if taken:
        statements.take_out(connection, [row["id"] for row in taken])
    return taken
