"""Sealed versions: nothing of them can be read, moved or changed without their key."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import update

from pumice import Store
from pumice.db import Place
from pumice.db.engine import open_database
from pumice.db.schema import store_seals, store_signatures, store_versions
from pumice.domain.errors import BadArtefact, StillSealed, Tampered, Untrusted, WrongSealKey
from pumice.domain.store.sealing import SEALED_SEGMENT, SEGMENT, TAG_BYTES, Bound, plain_size, sealed_size
from pumice.service.store.types import PushWish
from pumice.store.ciphers import VersionCipher, new_key
from pumice.store.seal_keys import file
from tests.store.test_round_trip import tree_of

SEAL = PushWish(seal=True, recipe={"passes": ["a-secret-recipe"]})
MARKER = b"nobody-may-read-this-" * 20


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Settings of two keys."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("one", "two"):
        file.create(folder / name)
    return [f"file:{folder / name}" for name in ("one", "two")]


@pytest.fixture
def sealing(home: Path, keys: list[str]) -> Store:
    with Store(home, seal_key=keys[0], by="tester") as opened:
        return opened


@pytest.fixture
def secret(source: Path) -> Path:
    (source / "weights.safetensors").write_bytes(MARKER * 3000)
    (source / "net.onnx").write_bytes(b"\x08\x08")
    about = {"model": "net.onnx", "labels": ["a-secret-label"], "licence": "a-secret-licence"}
    (source / "manifest.json").write_text(json.dumps(about))
    return source


def test_files_of_every_length_come_back(sealing: Store, tmp_path: Path) -> None:
    source = tmp_path / "sizes"
    source.mkdir()
    for length in (0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 2 * SEGMENT, 3 * SEGMENT + 7):
        (source / str(length)).write_bytes(os.urandom(length))
        assert plain_size(sealed_size(length)) == length
    sealing.push(source, "m", SEAL)
    sealing.pull("m", tmp_path / "out", unseal=True)
    assert tree_of(tmp_path / "out") == tree_of(source)
    found = sealing.verify("m")
    assert (found.problems, found.unopened, found.files) == ([], [], 8)


def test_nothing_of_a_sealed_version_can_be_read(sealing: Store, secret: Path, home: Path) -> None:
    record = sealing.push(secret, "m", SEAL)
    shown = sealing.show("m")
    assert (shown.manifest.spec.labels, shown.manifest.recipe, shown.manifest.environment) == ([], {}, {})
    assert [each.path for each in shown.manifest.files] == sorted(tree_of(secret))
    assert record.size == sum(len(data) for data in tree_of(secret).values())
    known = [MARKER, b"a-secret", hashlib.sha256(MARKER * 3000).digest()]
    known.append(known[-1].hex().encode())
    for path in (path for path in home.rglob("*") if path.is_file()):
        data = path.read_bytes()
        assert not any(one in data for one in known), path
    inside = sealing.show("m", unseal=True)
    assert (inside.manifest.spec.labels, inside.manifest.recipe) == (["a-secret-label"], SEAL.recipe)
    assert inside.sealed == shown.sealed != ""


def test_equal_files_are_sealed_differently(sealing: Store, secret: Path) -> None:
    first, second = (sealing.push(secret, "m", SEAL) for _ in range(2))
    assert first.stored == second.stored > first.size
    before, after = (sealing.show(f"m@{number}").manifest for number in (1, 2))
    assert {each.sha256 for each in before.files}.isdisjoint(each.sha256 for each in after.files)
    with pytest.raises(StillSealed):
        sealing.diff("m@1", "m@2")
    assert sealing.diff("m@1", "m@2", unseal=True).same


def test_without_its_key_a_version_is_verified_and_not_unsealed(
    sealing: Store, secret: Path, home: Path, keys: list[str], tmp_path: Path
) -> None:
    sealing.push(secret, "m", SEAL)
    with pytest.raises(StillSealed, match="--unseal"):
        sealing.pull("m", tmp_path / "out")
    for setting in ("", keys[1]):
        with Store(home, seal_key=setting) as store:
            for found in (store.verify("m"), store.verify()):
                assert (found.problems, found.unopened) == ([], ["m@1"])
            with pytest.raises(WrongSealKey, match="sealed with key 'local:"):
                store.pull("m", tmp_path / "out", unseal=True)
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".out*"))


def test_another_key_is_put_in_without_encrypting_anew(
    sealing: Store, secret: Path, home: Path, keys: list[str], tmp_path: Path
) -> None:
    sealing.push(secret, "m", SEAL)
    sealing.push(secret, "n", SEAL)
    sealing.push(secret, "plain")
    before = {path: path.stat().st_mtime_ns for path in (home / "store" / "packs").rglob("*.pack")}
    with Store(home, seal_key=keys[1]) as store, pytest.raises(WrongSealKey):
        store.seals.reseal()
    with Store(home, seal_key=f"{keys[1]}, {keys[0]}") as store:
        digest = store.find("m").digest
        done = store.seals.reseal("m", "a new key")
        assert [(one.model, one.version) for one in done] == [("m", 1)]
        assert len(store.seals.reseal()) == 1, "the one of the other model"
        assert store.seals.reseal() == []
        line = store.show("m").history[0]
        assert (line.kind, line.version, line.reason) == ("reseal", 1, "a new key")
        assert store.find("m").digest == digest
    assert before == {path: path.stat().st_mtime_ns for path in (home / "store" / "packs").rglob("*.pack")}
    with pytest.raises(WrongSealKey):
        sealing.pull("m", tmp_path / "out", unseal=True)
    with Store(home, seal_key=keys[1]) as store:
        store.pull("m", tmp_path / "out", unseal=True)
    assert tree_of(tmp_path / "out") == tree_of(secret)


def test_a_sealed_version_is_signed_afterwards_with_or_without_its_key(
    sealing: Store, secret: Path, home: Path, tmp_path: Path
) -> None:
    for number in (1, 2):
        sealing.push(secret, "m", SEAL)
        with sealing.engine.begin() as connection:
            connection.execute(store_signatures.delete())
        with pytest.raises(Untrusted, match="nobody signed it"):
            sealing.pull(f"m@{number}", tmp_path / "out", unseal=True)
        with Store(home) as keyless:
            signed = (keyless if number == 1 else sealing).statements.sign("m")
        assert [record.version for record in signed] == [1, 2][:number]
        assert sealing.verify().problems == sealing.verify(f"m@{number}").problems == []
        sealing.pull(f"m@{number}", tmp_path / str(number), unseal=True)
        assert tree_of(tmp_path / str(number)) == tree_of(secret)


def test_a_number_is_given_once_also_if_its_push_fails(sealing: Store, secret: Path) -> None:
    sealing.push(secret, "m", SEAL)
    (secret / "sub" / "README.md").chmod(0)
    if os.access(secret / "sub" / "README.md", os.R_OK):  # root reads everything
        (secret / "sub" / "README.md").unlink()
        (secret / "sub" / "README.md").symlink_to("/proc/self/mem")
    with pytest.raises(BadArtefact):
        sealing.push(secret, "m", SEAL)
    (secret / "sub" / "README.md").unlink()
    assert sealing.push(secret, "m", SEAL).version in {2, 3}
    assert sealing.verify().problems == []


def swap_keys(home: Path) -> None:
    with open_database(Place(home)).begin() as connection:
        rows = {row.version: row.wrapped for row in connection.execute(store_seals.select())}
        for version, wrapped in zip(rows, reversed(rows.values()), strict=True):
            connection.execute(update(store_seals).where(store_seals.c.version == version).values(wrapped=wrapped))


def flip_keys(home: Path) -> None:
    with open_database(Place(home)).begin() as connection:
        for row in connection.execute(store_seals.select()).all():
            changed = row.wrapped[:20] + bytes([row.wrapped[20] ^ 1]) + row.wrapped[21:]
            connection.execute(update(store_seals).where(store_seals.c.version == row.version).values(wrapped=changed))


def drop_keys(home: Path) -> None:
    with open_database(Place(home)).begin() as connection:
        connection.execute(store_seals.delete())


def swap_versions(home: Path) -> None:
    with open_database(Place(home)).begin() as connection:
        rows = {row.version: row.digest for row in connection.execute(store_versions.select())}
        for version, digest in zip(rows, reversed(rows.values()), strict=True):
            connection.execute(update(store_versions).where(store_versions.c.version == version).values(digest=digest))


@pytest.mark.parametrize("change", [swap_keys, flip_keys, drop_keys, swap_versions])
def test_what_is_changed_in_the_database_is_refused(
    sealing: Store, secret: Path, home: Path, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    for _ in range(2):
        sealing.push(secret, "m", SEAL)
    change(home)
    for number in (1, 2):
        with pytest.raises(Tampered):
            sealing.pull(f"m@{number}", tmp_path / "out", unseal=True)
        assert sealing.verify(f"m@{number}").problems
    assert sealing.verify().problems
    assert not (tmp_path / "out").exists()


BOUND = Bound("m", 1)
KEY = new_key()
PLAIN = os.urandom(2 * SEGMENT + 100)


def sealed(bound: Bound = BOUND, path: str = "weights", key: bytes = KEY, plain: bytes = PLAIN) -> bytes:
    cipher = VersionCipher(key, bound).of(path)
    found = b""
    for position, start in enumerate(range(0, len(plain), SEGMENT)):
        room = memoryview(bytearray(plain[start : start + SEGMENT]) + bytes(TAG_BYTES))
        cipher.seal(room, position, last=start + SEGMENT >= len(plain))
        found += room
    return found


WHOLE = sealed()
PIECES = [WHOLE[start : start + SEALED_SEGMENT] for start in range(0, len(WHOLE), SEALED_SEGMENT)]
ATTACKS = {
    "moved": PIECES[1] + PIECES[0] + PIECES[2],
    "repeated": PIECES[0] + PIECES[0] + PIECES[1] + PIECES[2],
    "left out": PIECES[0] + PIECES[2],
    "cut off at a segment": PIECES[0] + PIECES[1],
    "cut off inside a segment": WHOLE[:-1],
    "cut off to nothing": b"",
    "longer": WHOLE + PIECES[2],
    "a flipped bit": bytes([WHOLE[0] ^ 1]) + WHOLE[1:],
    "of another file": sealed(path="other"),
    "of another version": sealed(Bound("m", 2)),
    "of another model": sealed(Bound("n", 1)),
    "with another key": sealed(key=new_key()),
}


def unsealed(data: bytes) -> bytes:
    room = memoryview(bytearray(plain_size(len(data))))
    return bytes(VersionCipher(KEY, BOUND).of("weights").unseal(memoryview(data), room, 0, len(data)))


@pytest.mark.parametrize("attack", ATTACKS)
def test_segments_open_only_where_they_were_sealed(attack: str) -> None:
    assert unsealed(WHOLE) == PLAIN
    with pytest.raises(Tampered):
        unsealed(ATTACKS[attack])


def test_texts_are_bound_without_ambiguity() -> None:
    joined = {Bound("m1", 1).of_file("a"), Bound("m", 11).of_file("a"), Bound("m", 1).of_file("1a")}
    assert len(joined) == 3
