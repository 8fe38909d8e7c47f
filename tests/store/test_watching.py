"""Aliases are looked at on both kinds of database: a move is seen, and nothing else."""

from __future__ import annotations

import asyncio
from pathlib import Path

from pumice import Store
from pumice.db import Place
from pumice.domain.store.names import Ref
from pumice.service.store.watching import StoreWatch
from tests.support.stores import cluster, place, postgres

__all__ = ["cluster", "place", "postgres"]

PROD = Ref("m", alias="prod")


def test_a_move_is_seen_and_other_writes_are_not_taken_for_one(place: Place, source: Path) -> None:
    async def look() -> None:
        watch = StoreWatch(place)
        with Store(place.home, database=place.url) as store:
            store.push(source, "m")
            assert dict(await watch.look({PROD})) == {}
            store.alias("m", "prod", 1)
            assert dict(await watch.look({PROD})) == {PROD: 1}
            unchanged = await watch.look({PROD})
            assert dict(unchanged) == ({} if place.embedded else {PROD: 1})
            (source / "empty").unlink()
            store.push(source, "m")
            assert dict(await watch.look({PROD})) == {PROD: 1}
            store.alias("m", "prod", 2)
            assert dict(await watch.look({PROD})) == {PROD: 2}
            # another question is answered though nothing was written
            assert dict(await watch.look({PROD, Ref("m", alias="none")})) == {PROD: 2}
        await watch.close()

    asyncio.run(look())
