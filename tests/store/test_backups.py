"""Backups: taken while others work, incremental, signed; restored whole or not at all."""

import contextlib
import json
import os
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import func, select, text

from pumice import Store
from pumice.cli.main import main
from pumice.config import load_settings
from pumice.db import database_file
from pumice.db.migrations import newest
from pumice.db.schema import tasks
from pumice.domain.errors import BadArtefact, PumiceError, Tampered, Untrusted
from pumice.domain.store.backups import encode_state, state_statement
from pumice.domain.store.told import BackedUp, Restored
from pumice.service.store import restoring
from pumice.service.store.backing import check_backup
from pumice.service.store.restoring import Restore
from pumice.store.backups import DATABASE, SIGNATURE, STATE, BackupFolder, sha256_of
from pumice.store.signing.private import make_key
from tests.store.crashes import OLD
from tests.store.test_verify import flip, packs

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def stored(store: Store, source: Path) -> Store:
    for number in range(3):
        (source / "weights.safetensors").write_bytes(random.Random(number).randbytes(30_000))
        store.push(source, "m")
    store.alias("m", "prod", 1)
    store.alias("m", "prod", 2)
    return store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "backup"


def back_up(store: Store, folder: Path, **wish: bool | int) -> BackedUp:
    return store.upkeep.backups.make(folder, **wish)  # type: ignore[arg-type]


def restore(folder: Path, home: Path, state: str = "", key: str = "", **settings: object) -> Restored:
    return Restore(load_settings({"home": str(home), **settings}), folder, state, key).run()


def told(store: Store) -> object:
    """All that a store tells of its versions."""
    return [
        (store.show(f"{model.model}@{record.version}").manifest, record, model.aliases)
        for model in store.models()
        for record in store.versions(model.model)
    ]


def test_a_home_comes_back_with_its_secrets(stored: Store, home: Path, folder: Path, tmp_path: Path) -> None:
    done = back_up(stored, folder, secrets=True)
    assert (done.versions, done.copied, done.secrets) == (3, done.bytes, True)
    found = restore(folder, tmp_path / "new")
    assert (found.own, found.problems, found.key) == (True, [], done.key)
    with Store(tmp_path / "new", by="tester") as new:
        assert told(new) == told(stored)
        assert new.show("m").history == stored.show("m").history
        assert new.verify().problems == []
        assert new.rollback("m").version == 1
        assert new.push(folder / "store", "n").version == 1
    assert not (tmp_path / "new" / "restore.part").exists()
    assert (tmp_path / "new" / "keys" / "signing.pem").stat().st_mode & 0o777 == 0o600


def test_without_secrets_the_key_is_trusted_and_another_one_signs(
    stored: Store, home: Path, folder: Path, tmp_path: Path
) -> None:
    stored.keys.trust(_public(stored, tmp_path), models=("x*",), name="somebody")
    done = back_up(stored, folder)
    private = (home / "keys" / "signing.pem").read_bytes()
    assert not [path for path in folder.rglob("*") if path.is_file() and private in path.read_bytes()]
    found = restore(folder, tmp_path / "new", key=done.key[:16])
    assert (found.own, found.secrets, found.problems) == (False, False, [])
    with Store(tmp_path / "new") as new:
        assert new.verify().problems == []
        assert new.alias("m", "prod", 3).version == 3
        assert new.keys.signing.id != done.key
        assert new.verify().problems == []
    with pytest.raises(Untrusted, match="signed it, not"):
        restore(folder, tmp_path / "other", key="0" * 16)
    assert not (tmp_path / "other").exists()


def _public(store: Store, folder: Path) -> Path:
    make_key(folder / "somebody.pem")
    with Store(folder / "somebody", settings={"signing_key": str(folder / "somebody.pem")}) as other:
        (folder / "somebody.pub").write_bytes(other.keys.signing.public)
    return folder / "somebody.pub"


def test_a_backup_that_is_repeated_copies_what_is_new(
    stored: Store, source: Path, folder: Path, tmp_path: Path
) -> None:
    first = back_up(stored, folder)
    inodes = {path.name: path.stat().st_ino for path in packs(folder)}
    (source / "new").write_bytes(os.urandom(20_000))
    stored.push(source, "m")
    second = back_up(stored, folder)
    assert 20_000 < second.copied < 25_000
    assert inodes.items() <= {path.name: path.stat().st_ino for path in packs(folder)}.items()
    stored.delete("m@1")
    stored.gc()
    third = back_up(stored, folder)
    assert (third.copied < 1000, third.states) == (True, 3)
    assert check_backup(folder).problems == []
    assert restore(folder, tmp_path / "old", first.state).versions == 3
    with Store(tmp_path / "old") as old:
        assert [record.version for record in old.versions("m")] == [1, 2, 3]
    last = back_up(stored, folder, keep=1)
    assert (last.states, last.removed) == (1, 1)
    assert {path.stem for path in packs(folder)} == {pack.id for pack in BackupFolder(folder).read().packs}
    assert check_backup(folder).states == [last.state]


def test_what_was_cut_off_is_gone_on_with(stored: Store, home: Path, folder: Path, tmp_path: Path) -> None:
    done = back_up(stored, folder)
    whole = {path.name: path.read_bytes() for path in packs(folder)}
    for number, path in enumerate(packs(folder)):
        part = BackupFolder(folder).scratch.pack(path.stem)
        part.parent.mkdir(parents=True, exist_ok=True)
        # the beginning of it; the beginning with a wrong byte; more than there is
        data = [path.read_bytes()[:9000], b"x" + path.read_bytes()[1:9000], path.read_bytes() + b"more"][number]
        part.write_bytes(data)
        path.unlink()
    assert back_up(stored, folder).copied == done.bytes
    assert {path.name: path.read_bytes() for path in packs(folder)} == whole
    assert check_backup(folder).problems == []


CHANGES: dict[str, Callable[[Path], object]] = {
    "a pack": lambda folder: flip(packs(folder)[0], 8 * 3000),
    "a pack that is gone": lambda folder: packs(folder)[0].unlink(),
    "the rows": lambda folder: flip(next(folder.glob("states/*/database.sqlite")), 8 * 5000),
    "a head": lambda folder: flip(next(folder.glob("states/*/heads/*.json")), 8 * 40),
    "what the state says": lambda folder: flip(next(folder.glob("states/*/state.json")), 8 * 40),
    "the signature": lambda folder: flip(next(folder.glob("states/*/state.sig")), 8 * 600),
    "the key": lambda folder: flip(next(folder.glob("states/*/signing.pub")), 8 * 60),
    "the list of keys": lambda folder: flip(next(folder.glob("states/*/trust.json")), 8 * 60),
    "a file that is gone": lambda folder: next(folder.glob("states/*/trust.json")).unlink(),
    "its name": lambda folder: next(folder.glob("states/*")).rename(folder / "states" / "000009.2026-01-01T00-00-00Z"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_backup_that_has_changed_is_refused(stored: Store, folder: Path, tmp_path: Path, change: str) -> None:
    stored.keys.trust(_public(stored, tmp_path))
    back_up(stored, folder)
    CHANGES[change](folder)
    with pytest.raises(PumiceError):
        restore(folder, tmp_path / "new")
    assert not database_file(tmp_path / "new").exists()
    assert check_backup(folder).problems
    if change.startswith("a pack"):
        assert back_up(stored, folder, reread=True).copied
        assert check_backup(folder).problems == []
        assert restore(folder, tmp_path / "new").problems == []


def test_a_pack_that_changed_before_it_was_copied_is_told(stored: Store, home: Path, folder: Path) -> None:
    flip(packs(home)[0], 8 * 3000)
    with pytest.raises(Tampered, match="1 such packs"):
        back_up(stored, folder)
    assert BackupFolder(folder).names() == []
    assert len(packs(folder)) == 2, "the others are there"
    flip(packs(home)[0], 8 * 3000)
    assert back_up(stored, folder).copied < back_up(stored, folder).bytes


def test_a_home_that_has_something_is_not_restored_into(
    stored: Store, home: Path, folder: Path, tmp_path: Path
) -> None:
    back_up(stored, folder)
    with pytest.raises(BadArtefact, match=r"it has pumice\.sqlite"):
        restore(folder, home)
    assert stored.verify().problems == []
    (tmp_path / "half" / "store" / "packs").mkdir(parents=True)
    (tmp_path / "half" / "store" / "packs" / "x").touch()
    with pytest.raises(BadArtefact, match="it has store/packs/x"):
        restore(folder, tmp_path / "half")
    for place in (home / "backup", home):
        with pytest.raises(BadArtefact, match="lies in the home"):
            back_up(stored, place)
    with pytest.raises(BadArtefact, match="something else in it"):
        back_up(stored, tmp_path / "half")
    with pytest.raises(BadArtefact, match="it is no backup"):
        restore(tmp_path / "half", tmp_path / "new")


def killed(*_arguments: object) -> None:
    raise KeyboardInterrupt


def test_a_restore_that_was_killed_is_gone_on_with(
    stored: Store, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up(stored, folder)
    new = tmp_path / "new"
    with monkeypatch.context() as patch:
        patch.setattr(Restore, "_small_files", killed)
        with pytest.raises(KeyboardInterrupt):
            restore(folder, new)
    with pytest.raises(BadArtefact, match="run it again, or delete"):
        Store(new)
    assert {path.name for path in new.iterdir()} == {"restore.part"}
    arrived = {path.name: path.stat().st_ino for path in packs(new / "restore.part")}
    with monkeypatch.context() as patch:
        patch.setattr(restoring, "move_in", killed)
        with pytest.raises(KeyboardInterrupt):
            restore(folder, new)
    with Store(new) as store:  # all of it was there, so whoever opens the home finishes it
        assert told(store) == told(stored)
        assert store.verify().problems == []
    assert {path.name: path.stat().st_ino for path in packs(new)} == arrived
    assert not (new / "restore.part").exists()


def test_an_older_schema_is_brought_up(stored: Store, folder: Path, tmp_path: Path) -> None:
    """The rows are those of the first version that had a store."""
    back_up(stored, folder)
    backup = BackupFolder(folder)
    state = backup.read()
    place = backup.states / state.name
    (place / DATABASE).unlink()
    with contextlib.closing(sqlite3.connect(place / DATABASE)) as made:
        made.executescript(OLD.read_text())
        for table in ("versions", "packs", "uses", "chunks", "parents", "aliases", "journal", "models"):
            made.execute(f"DELETE FROM store_{table}")  # noqa: S608 - they name packs that are none
        made.commit()
    files = {**state.files, DATABASE: sha256_of(place / DATABASE)}
    older = encode_state(msgspec.structs.replace(state, files=files, packs=[], revision="0004"))
    (place / STATE).write_bytes(older)
    (place / SIGNATURE).write_bytes(stored._guard.signed(state_statement(state.name, older)))
    restore(folder, tmp_path / "new")
    with Store(tmp_path / "new") as new, new.engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(tasks)).scalar_one() == 1
        assert connection.execute(text("SELECT version_num FROM pumice_revision")).scalar_one() == newest()


def test_commands_take_a_backup_and_restore_it(
    stored: Store, home: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def run(*words: object, at: Path = home) -> tuple[int, str, str]:
        monkeypatch.setenv("PUMICE_HOME", str(at))
        with pytest.raises(SystemExit) as ended:
            main(["models", *map(str, words)])
        told = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, told.out, told.err

    assert run("backup", folder)[0] == 0
    code, out, err = run("backup", folder, "--with-secrets", "--json")
    assert (code, json.loads(out)["copied"]) == (0, 0)
    code, out, err = run("restore", folder, at=tmp_path / "new")
    assert (code, "with which this home signs" in err) == (0, True)
    assert run("restore", folder, at=tmp_path / "new")[0] == 2
    assert run("verify", at=tmp_path / "new")[0] == 0
    assert run("backup", folder, "--check")[0] == 0
    flip(packs(home)[0], 8 * 3000)
    assert run("verify")[0] == 3
    assert run("repair")[0] == 3
    assert run("repair", "--from", folder)[0] == 0
    assert run("verify")[0] == 0
    flip(packs(folder)[0], 8 * 3000)
    assert run("backup", folder, "--check")[0] == 3
    acts = [json.loads(line)["what"] for line in (home / "audit.jsonl").read_text().splitlines()]
    assert acts == ["models backup", "models backup", "models repair", "models repair"]
    restored = (tmp_path / "new" / "audit.jsonl").read_text().splitlines()
    assert [json.loads(line)["what"] for line in restored] == ["models backup", "models restore", "models restore"]
