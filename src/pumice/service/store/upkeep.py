"""Upkeep of a store beside its use: backups, and what has changed mended from elsewhere."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Engine

from pumice.service.store.backing import Backups
from pumice.service.store.checking import Check
from pumice.service.store.transfer import Transfer
from pumice.service.store.trust import Guard
from pumice.service.store.types import Verified
from pumice.store.layout import Layout


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

    def look_over(self) -> Verified:
        """Look at every version and its signatures, without reading packs that were read just now.

        Raises:
            StorageFailed: Something could not be read.
        """
        return Check(self._engine, self._layout, self._transfer, self._guard, _silent).everything(read=False)


def _silent(_done: int, _total: int) -> None:
    """Tells nobody."""
