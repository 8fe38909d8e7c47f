"""Damaged bytes are mended: by a push of the same files, or from a backup; `verify` says which versions they hit."""

import os
import random
from pathlib import Path

import pytest

from pumice import Store
from pumice.domain.errors import Tampered
from pumice.service.store.types import PushWish
from pumice.store.seal_keys import file
from tests.store.test_verify import flip, packs

WHOLE = 300_000


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "w.dat").write_bytes(random.Random(1).randbytes(WHOLE))
    return folder


def damage(path: Path, how: str) -> None:
    if how == "gone":
        path.unlink()
    elif how == "cut":
        os.truncate(path, path.stat().st_size // 2)
    else:
        flip(path, 8 * (path.stat().st_size // 2 if how == "flipped" else path.stat().st_size - 20))


@pytest.mark.parametrize("how", ["flipped", "cut", "gone", "index"])
def test_a_push_of_the_same_files_mends_what_has_changed(
    store: Store, home: Path, model: Path, tmp_path: Path, how: str
) -> None:
    store.push(model, "m")
    (model / "more").write_bytes(random.Random(2).randbytes(50_000))
    store.push(model, "other")
    damage(max(packs(home), key=lambda path: path.stat().st_size), how)
    found = store.verify().problems
    assert found
    if how == "flipped":
        assert {f"{ref}: file 'w.dat' has damaged bytes" for ref in ("m@1", "other@1")} <= {
            problem.partition(";")[0] for problem in found
        }
        assert all("push the same files again, or `pumice models repair --from`" in problem for problem in found)
    if how != "index":
        with pytest.raises(Tampered):
            store.pull("m@1", tmp_path / "out")
    else:
        assert store.upkeep.repair().mended == 1
    (model / "more").unlink()
    store.push(model, "m")
    assert store.verify().problems == []
    store.pull("other@1", tmp_path / "other")
    assert (tmp_path / "other" / "w.dat").read_bytes() == (model / "w.dat").read_bytes()
    store.gc()
    assert store.verify().problems == []


def test_a_push_of_other_files_mends_what_they_share(store: Store, home: Path, model: Path) -> None:
    store.push(model, "m")
    (pack,) = packs(home)
    flip(pack, 8 * 100)  # in the first chunk
    (model / "w.dat").write_bytes((model / "w.dat").read_bytes()[:200_000])
    store.push(model, "n")
    assert store.verify("n").problems == []
    assert store.verify().problems == []


@pytest.mark.parametrize("sealed", [False, True])
def test_a_repair_takes_what_is_damaged_from_a_backup(home: Path, model: Path, tmp_path: Path, sealed: bool) -> None:
    file.create(tmp_path / "key")
    with Store(home, seal_key=f"file:{tmp_path / 'key'}", by="tester") as store:
        store.push(model, "m", PushWish(seal=sealed))
        store.upkeep.backups.make(tmp_path / "backup")
        (pack,) = packs(home)
        flip(pack, 8 * 100_000)
        flip(pack, 8 * 200_000)
        if sealed:
            assert any("a push seals anew" in problem for problem in store.verify().problems)
        alone = store.upkeep.repair()
        assert (alone.packs, alone.mended, len(alone.left)) == (1, 0, 1)
        assert "nowhere else" in alone.left[0]
        done = store.upkeep.repair(tmp_path / "backup")
        assert (done.packs, done.mended, done.left) == (1, 1, [])
        assert done.chunks >= 1
        assert store.verify().problems == []
        assert store.upkeep.repair(tmp_path / "backup").packs == 0
        store.pull("m", tmp_path / "out", unseal=sealed)
    assert (tmp_path / "out" / "w.dat").read_bytes() == (model / "w.dat").read_bytes()


def test_a_pack_that_is_read_just_now_stays_until_it_is_free(store: Store, home: Path, model: Path) -> None:
    store.push(model, "m")
    with store._transfer.session() as session:
        store._transfer.hold(session, "m")
        flip(packs(home)[0], 8 * 100)
        store.push(model, "m")
        assert store.verify("m@1").problems == []
        assert store.upkeep.repair().left
    assert store.upkeep.repair().left == []
    assert store.verify().problems == []
