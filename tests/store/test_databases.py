"""The same store on both databases."""

from pathlib import Path

import pytest

from pumice import Store
from pumice.db import Place
from pumice.domain.errors import VersionInUse
from pumice.service.store.types import PushWish
from tests.support.stores import cluster, place, postgres

__all__ = ["cluster", "place", "postgres"]


def test_every_operation_works_on_both(place: Place, source: Path, tmp_path: Path) -> None:
    with Store(place.home, database=place.url, by="tester") as store:
        store.push(source, "m")
        (source / "new").write_bytes(bytes(range(256)) * 40)
        store.push(source, "m", PushWish(parents=("m@1",), recipe={"passes": []}))
        store.alias("m", "prod", 1)
        moved = store.alias("m", "prod", 2)
        assert store.rollback("m").version == 1
        assert store.at("m@prod", moved.at).version in {1, 2}
        assert [model.aliases for model in store.models()] == [{"prod": 1}]
        assert store.diff("m@1", "m@2").added == ["new"]
        assert store.lineage("m").parents[0].ref == "m@1"
        store.pull("m", tmp_path / "out")
        assert (tmp_path / "out" / "new").read_bytes() == (source / "new").read_bytes()
        with pytest.raises(VersionInUse, match="prod"):
            store.delete("m@1")
        store.delete("m@2")
        assert store.gc().packs == 1
        found = store.verify()
        assert (found.problems, found.leftovers, found.versions) == ([], 0, 1)
        assert [move.kind for move in store.show("m").history] == [
            "delete",
            "rollback",
            "alias",
            "alias",
            "push",
            "push",
        ]
