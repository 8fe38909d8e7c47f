"""One flipped bit anywhere in the store's files is found; and nothing that was changed is handed out."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pumice import Store
from pumice.domain.errors import Tampered

ROUNDS = 120


def packs(home: Path) -> list[Path]:
    return sorted((home / "store" / "packs").rglob("*.pack"))


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place // 8] ^= 1 << place % 8
    path.write_bytes(data)


@pytest.fixture
def stored(store: Store, source: Path) -> Store:
    for number in range(2):
        (source / "weights.safetensors").write_bytes(random.Random(number).randbytes(30_000))
        store.push(source, "m")
    assert store.verify().problems == []
    return store


def test_any_flipped_bit_is_found(stored: Store, home: Path) -> None:
    dice = random.Random(20)
    for _ in range(ROUNDS):
        path = dice.choice(packs(home))
        place = dice.randrange(path.stat().st_size * 8)
        flip(path, place)
        assert stored.verify().problems, f"bit {place} of {path.name}"
        flip(path, place)
    assert stored.verify().problems == []


def move_behind_a_link(path: Path) -> None:
    shutil.move(path, path.with_suffix(".moved"))
    path.symlink_to(path.with_suffix(".moved"))


CHANGES: dict[str, Callable[[Path, Path], object]] = {
    "cut off": lambda one, _: one.write_bytes(one.read_bytes()[:-1]),
    "longer": lambda one, _: one.write_bytes(one.read_bytes() + b"\0"),
    "empty": lambda one, _: one.write_bytes(b""),
    "gone": lambda one, _: one.unlink(),
    "another pack": lambda one, other: shutil.copyfile(other, one),
    "a link": lambda one, _: move_behind_a_link(one),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_pack_that_is_another_one_is_found(stored: Store, home: Path, tmp_path: Path, change: str) -> None:
    one, other = packs(home)
    CHANGES[change](one, other)
    assert stored.verify().problems


def test_a_file_that_does_not_belong_there_is_found(stored: Store, home: Path) -> None:
    (home / "store" / "packs" / "extra").write_text("hello")
    assert any("extra" in problem for problem in stored.verify().problems)


def test_changed_bytes_are_not_pulled(stored: Store, home: Path, tmp_path: Path) -> None:
    before = {path.name for path in tmp_path.iterdir()}
    for path in packs(home):
        flip(path, 8 * 2000)
    with pytest.raises(Tampered, match="other bytes than were stored"):
        stored.pull("m", tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == before, "nothing half is left"
    assert stored.verify("m").problems


def test_every_problem_is_told(stored: Store, home: Path) -> None:
    for path in packs(home):
        flip(path, 8 * 2000)
    found = stored.verify()
    assert sum(problem.startswith("pack") for problem in found.problems) == 2
    assert found.versions == 2
