"""The signed head of a name: going back, holding up and mixing are seen."""

import shutil
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from pumice import Store
from pumice.db import signatures
from pumice.domain.errors import PumiceError, Tampered


@pytest.fixture
def stored(store: Store, source: Path) -> Store:
    store.push(source, "m")
    (source / "empty").write_bytes(b"more")
    store.push(source, "m")
    store.alias("m", "prod", 2)
    return store


def refusal(store: Store, tmp_path: Path) -> str:
    """Why nothing is handed out."""
    with pytest.raises(PumiceError) as refused:
        store.pull("m", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert store.verify().problems
    return refused.value.message


def database(home: Path) -> list[Path]:
    return sorted(home.glob("pumice.sqlite*"))


def test_an_older_database_is_seen(stored: Store, home: Path, tmp_path: Path, source: Path) -> None:
    stored.close()
    for file in database(home):
        shutil.copy(file, tmp_path)
    with Store(home) as store:
        store.alias("m", "prod", 1)
    for file in database(home):
        file.unlink()
    for file in tmp_path.glob("pumice.sqlite*"):
        shutil.copy(file, home)
    with Store(home) as store:
        assert "somebody went back" in refusal(store, tmp_path)
        with pytest.raises(Tampered, match="somebody went back"):
            store.alias("m", "prod", 1)


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("UPDATE store_aliases SET version = 1", "the alias 'prod' points to 1, signed is 2"),
        ("DELETE FROM store_aliases", "the alias 'prod' points to None"),
        ("DELETE FROM store_versions WHERE version = 1", "version 1 is another one"),
        ("UPDATE store_heads SET body = x'7b7d'", "no Sigstore bundle"),
        ("DELETE FROM store_heads", "is gone"),
        ("DELETE FROM store_signatures", "nobody signed it"),
        ("UPDATE store_journal SET id = id + 10", "the journal is another one"),
    ],
)
def test_a_row_that_was_changed_is_seen(stored: Store, tmp_path: Path, statement: str, reason: str) -> None:
    with stored.engine.begin() as connection:
        connection.execute(text(statement))
    assert reason in refusal(stored, tmp_path)


def test_a_line_of_the_journal_that_was_changed_is_seen_by_verify(stored: Store) -> None:
    with stored.engine.begin() as connection:
        connection.execute(text("UPDATE store_journal SET reason = 'because' WHERE version = 1"))
    assert any("the journal is another one" in problem for problem in stored.verify("m").problems)


def test_what_was_seen_cannot_be_taken_away(stored: Store, home: Path, tmp_path: Path) -> None:
    (home / "store" / "heads" / "m.json").unlink()
    assert "what was seen here is gone" in refusal(stored, tmp_path)


def test_a_crash_before_the_head_is_remembered_is_caught_up_with(stored: Store, home: Path, tmp_path: Path) -> None:
    file = home / "store" / "heads" / "m.json"
    before = file.read_bytes()
    stored.alias("m", "prod", 1)
    after = file.read_bytes()
    file.write_bytes(before)
    stored.pull("m@prod", tmp_path / "out")
    assert file.read_bytes() == after
    assert stored.verify().problems == []


def test_what_another_process_signs_meanwhile_is_no_step_back(
    stored: Store, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = signatures.head
    with Store(home) as other:

        def head_before_it_moves(connection: Connection, model: str) -> bytes | None:
            body = read(connection, model)
            monkeypatch.undo()
            other.alias("m", "prod", 1)
            return body

        monkeypatch.setattr(signatures, "head", head_before_it_moves)
        stored.pull("m", tmp_path / "out")
        assert read is signatures.head
    assert stored.verify().problems == []
