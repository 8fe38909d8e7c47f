"""Transfers that are cut off go on where they stopped, and what they go on from is checked again."""

import fcntl
import os
import random
import shutil
from pathlib import Path

import pytest

from pumice import Store
from pumice.domain.errors import BadArtefact
from pumice.store import pushing
from pumice.store.pulling import BLOCK

SIZE = 8 * BLOCK


class Cut(Exception):
    """Ends a transfer on the way."""


@pytest.fixture
def stored(store: Store, tmp_path: Path) -> Store:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "a").write_bytes(random.Random(1).randbytes(SIZE // 2) + bytes(SIZE // 2))
    (folder / "b").write_bytes(random.Random(2).randbytes(SIZE))
    store.push(folder, "m")
    return store


def cut_off(store: Store, target: Path, share: float) -> Path:
    """Pull until a part is done; what is left of it."""

    def tell(done: int, total: int) -> None:
        if done > share * total:
            raise Cut

    with pytest.raises(Cut):
        store.pull("m", target, tell)
    assert not target.exists()
    (part,) = target.parent.glob(f".{target.name}.*.part")
    return part


def same(one: Path, other: Path) -> bool:
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in ("a", "b"))


def test_a_pull_goes_on_and_reads_only_what_is_missing(stored: Store, tmp_path: Path) -> None:
    part = cut_off(stored, tmp_path / "out", 0.7)
    before = {path.name: path.stat().st_mtime_ns for path in part.iterdir()}
    told: list[int] = []
    stored.pull("m", tmp_path / "out", lambda done, _: told.append(done))
    assert (tmp_path / "out" / "a").stat().st_mtime_ns == before["a"], "nothing of it was written again"
    assert same(tmp_path / "out", tmp_path / "source")
    assert told[-1] == 2 * SIZE
    assert not part.exists()


def test_what_was_changed_meanwhile_is_written_again(stored: Store, tmp_path: Path) -> None:
    part = cut_off(stored, tmp_path / "out", 0.9)
    with (part / "a").open("r+b") as file:
        file.write(b"changed")
        file.seek(SIZE - 100)
        file.write(b"no zeros")
    (part / "extra").mkdir()
    (part / "extra" / "file").write_text("of nobody")
    (part / "b").rename(tmp_path / "elsewhere")
    (part / "b").symlink_to(tmp_path / "elsewhere")
    stored.pull("m", tmp_path / "out")
    assert same(tmp_path / "out", tmp_path / "source")
    assert not (tmp_path / "out" / "extra").exists()
    assert not (tmp_path / "out" / "b").is_symlink()


def test_what_another_version_left_goes(stored: Store, tmp_path: Path) -> None:
    part = cut_off(stored, tmp_path / "out", 0.5)
    (tmp_path / "source" / "b").write_bytes(b"short")
    stored.push(tmp_path / "source", "m")
    stored.pull("m", tmp_path / "out")
    assert not part.exists()
    assert same(tmp_path / "out", tmp_path / "source")


def test_two_pulls_into_one_folder_do_not_mix(stored: Store, tmp_path: Path) -> None:
    part = cut_off(stored, tmp_path / "out", 0.5)
    handle = os.open(part, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with pytest.raises(BadArtefact, match="another pull"):
        stored.pull("m", tmp_path / "out")
    os.close(handle)
    stored.pull("m", tmp_path / "out")


def test_a_push_goes_on_from_the_packs_that_are_whole(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pushing, "LARGEST", BLOCK)
    folder = tmp_path / "source"
    folder.mkdir()
    for number in range(4):
        (folder / f"file-{number}").write_bytes(random.Random(number).randbytes(4 * BLOCK))
    told: list[int] = []

    def tell(done: int, total: int) -> None:
        told.append(done)
        if done > total / 2:
            raise Cut

    with pytest.raises(Cut):
        store.push(folder, "m", progress=tell)
    record = store.push(folder, "m")
    assert record.version == 1
    assert record.stored < record.size * 0.6
    shutil.rmtree(folder)
    store.pull("m", folder)
    assert (folder / "file-3").read_bytes() == random.Random(3).randbytes(4 * BLOCK)
