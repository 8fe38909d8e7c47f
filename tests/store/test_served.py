"""The store knows what is served of it: it is not deleted, and one can ask where."""

from __future__ import annotations

from pathlib import Path

import pytest

from pumice import Client, Store
from pumice.domain.errors import VersionInUse
from tests.engines.graphs import constant
from tests.support.server import RunningServer
from tests.support.wire import until


def test_what_is_served_stays_until_its_process_ends_however_it_does(store: Store, home: Path, tmp_path: Path) -> None:
    for number in (1, 2):
        store.push(constant(tmp_path / str(number), number), "m")
    with RunningServer("old=m@1", "m@1", home=home) as server, Client(server.url) as client:
        assert {(at.name, at.place.split()[1]) for at in store.show("m@1").served} == {
            ("old", str(server.process.pid)),
            ("m", str(server.process.pid)),
        }
        assert client.store.show("m@1").served == store.show("m@1").served
        assert not store.show("m@2").served
        for refusing in (store, client.store):
            with pytest.raises(VersionInUse, match="serves it as 'old'; unload it there first"):
                refusing.delete("m@1")
        store.gc()
        server.kill()
        assert not store.show("m@1").served
        store.delete("m@1")
    assert store.gc().bytes > 0


def test_what_is_unloaded_is_free(store: Store, home: Path, tmp_path: Path) -> None:
    store.push(constant(tmp_path / "1", 1), "m")
    held = store.hold("m@1", served_as="here")
    assert [at.name for at in store.show("m@1").served] == ["here"]
    held.close()
    until(lambda: not store.show("m@1").served)
    store.delete("m@1")
