"""A front that kills a replica which takes no calls kills that process and no other."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import msgspec

from pumice.protocol.frames import Packed
from pumice.runtime.front.link import Batch
from pumice.runtime.front.news import ReplicaNews, ReplicaState
from pumice.runtime.front.replica import Replica
from pumice.runtime.page import StatusPage, StatusView


def test_only_the_process_behind_the_connection_is_killed() -> None:
    replica = Replica("m/1#0", 0, cast("Any", None), 1.0)
    page = StatusView(StatusPage().fd)
    batch = Batch([], Packed([], [], 0), 1, limit=1.0)

    def deaf(news: ReplicaNews) -> bool:
        replica.news = news
        return any(replica._deafens(page, batch, now) for now in (100.0, 101.0, 200.0, 300.0, 400.0))

    linked = ReplicaNews(0, ReplicaState.READY, pid=4711, life=replica._linked_life)
    assert deaf(linked)
    # os.kill(0, …) would end every process of the server's group
    assert not deaf(msgspec.structs.replace(linked, pid=0))
    assert not deaf(msgspec.structs.replace(linked, state=ReplicaState.BACKOFF))
    assert not deaf(msgspec.structs.replace(linked, life=linked.life + 1))


def test_a_hang_is_told_once_however_often_it_is_seen() -> None:
    told: list[Batch] = []
    replica = Replica("m/1#0", 0, cast("Any", SimpleNamespace(replica_hangs=lambda _, batch: told.append(batch))), 1.0)
    first, second = (Batch([], Packed([], [], 0), 1, limit=1.0) for _ in range(2))
    for batch in (first, first, second, second, second):
        replica._hangs(batch)
    assert [id(batch) for batch in told] == [id(first), id(second)]
