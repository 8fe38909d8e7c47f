"""Upkeep of a store beside its use: backups, and what has changed mended from elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Engine

from pumice.db import packs
from pumice.db.packs import PackRow
from pumice.domain.store.told import Mended
from pumice.service.store.backing import Backups
from pumice.service.store.checking import Check
from pumice.service.store.transfer import Transfer
from pumice.service.store.trust import Guard
from pumice.service.store.types import Progress, Verified
from pumice.store.backups import BackupFolder
from pumice.store.carrying import is_whole
from pumice.store.layout import Layout
from pumice.store.mending import Mending, Outcome, Search, search_packs
from pumice.store.sessions import transaction


class Upkeep:
    """What operators do with a store now and then.

    Args:
        engine: The database.
        layout: The store's folder.
        transfer: Finds versions and reads their manifests.
        guard: Looks at signatures.
        clock: Seconds since 1970.

    Attributes:
        backups: Takes backups.
    """

    def __init__(
        self, engine: Engine, layout: Layout, transfer: Transfer, guard: Guard, clock: Callable[[], float]
    ) -> None:
        self.backups = Backups(engine, layout, guard, clock)
        self._engine = engine
        self._layout = layout
        self._transfer = transfer
        self._guard = guard
        self._clock = clock

    def look_over(self) -> Verified:
        """Look at every version and its signatures, without reading packs that were read just now.

        Raises:
            StorageFailed: Something could not be read.
        """
        return Check(self._engine, self._layout, self._transfer, self._guard, _silent).everything(read=False)

    def repair(self, backup: str | Path | None = None, progress: Progress = lambda _done, _total: None) -> Mended:
        """Read every pack, and write those anew that have changed.

        Args:
            backup: A folder of backups that has what is damaged; None: only damage to what nobody needs is mended.
            progress: Told how far it is.

        Raises:
            BadArtefact: The folder is no backup.
            StorageFailed: Something could not be read or written.
        """
        search: Search | None = None
        if backup is not None:
            folder = BackupFolder(Path(backup).expanduser())
            folder.names()
            search = search_packs(folder.layout, [path.stem for path in folder.layout.files()])
        with transaction(self._engine) as connection:
            rows = packs.every(connection)
        total, done = sum(row["size"] for row in rows), 0
        outcomes: list[Outcome] = []
        mending = Mending(self._engine, self._layout, self._clock)
        for row in rows:
            if not is_whole(row, self._layout) and self._is_there(row):
                outcomes.append(mending.mend(row["id"], search))
            done += row["size"]
            progress(done, total)
        left = [outcome.problem for outcome in outcomes if outcome.problem]
        chunks = sum(outcome.chunks for outcome in outcomes)
        return Mended(packs=len(outcomes), mended=len(outcomes) - len(left), chunks=chunks, left=left)

    def _is_there(self, row: PackRow) -> bool:
        """Whether a pack was not collected meanwhile."""
        with transaction(self._engine) as connection:
            return row in packs.every(connection)


def _silent(_done: int, _total: int) -> None:
    """Tells nobody."""
