"""Opening a home: modes, durability, and what is said when the database cannot be used."""

import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import text

from pumice.db import database_file
from pumice.db.engine import open_home
from pumice.domain.errors import BadArtefact, StorageFailed


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_home_is_for_its_user_alone(tmp_path: Path) -> None:
    home = tmp_path / "deep" / "home"
    engine = open_home(home)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO task_owners VALUES ('me', 1)"))
        files = {path.name for path in home.iterdir()}
        assert files == {"pumice.sqlite", "pumice.sqlite-wal", "pumice.sqlite-shm"}
        assert {mode(path) for path in home.iterdir()} == {0o600}
    assert mode(home) == 0o700
    engine.dispose()


def test_a_commit_is_on_the_disk_and_not_only_with_the_system(tmp_path: Path) -> None:
    engine = open_home(tmp_path)
    with engine.begin() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar_one() == 2  # FULL
    engine.dispose()


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    database_file(tmp_path).write_bytes(b"these are not the bytes of a database" * 100)
    with pytest.raises(BadArtefact, match="not a usable database") as caught:
        open_home(tmp_path)
    assert caught.value.path == str(database_file(tmp_path))


def test_a_damaged_database_is_named(tmp_path: Path) -> None:
    open_home(tmp_path).dispose()
    file = database_file(tmp_path)
    whole = file.read_bytes()
    # the header stays, the pages behind it go
    file.write_bytes(whole[:100] + b"\xff" * (len(whole) - 100))
    with pytest.raises(BadArtefact, match="not a usable database"):
        open_home(tmp_path)


def test_a_database_of_a_newer_pumice_is_refused_and_left_alone(tmp_path: Path) -> None:
    open_home(tmp_path).dispose()
    with sqlite3.connect(database_file(tmp_path)) as connection:
        connection.execute("UPDATE pumice_revision SET version_num = '1000'")
    connection.close()
    with pytest.raises(BadArtefact, match=r"version 1000.*update Pumice"):
        open_home(tmp_path)
    with sqlite3.connect(database_file(tmp_path)) as connection:
        assert connection.execute("SELECT version_num FROM pumice_revision").fetchall() == [("1000",)]
    connection.close()


def test_a_home_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StorageFailed, match=r"pumice\.sqlite: Not a directory"):
        open_home(tmp_path / "file" / "home")


def test_two_that_open_at_once_migrate_once(tmp_path: Path) -> None:
    errors: list[Exception] = []
    barrier = threading.Barrier(4)

    def open_one() -> None:
        barrier.wait()
        try:
            open_home(tmp_path).dispose()
        except Exception as error:  # noqa: BLE001 a thread's errors are shown by the test
            errors.append(error)

    threads = [threading.Thread(target=open_one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


ANOTHER = """
import sys
from pathlib import Path
from sqlalchemy import text
from pumice.db.engine import open_home

engine = open_home(Path(sys.argv[1]))
with engine.begin() as connection:
    connection.execute(text("INSERT INTO task_owners VALUES (:id, 1)"), {"id": sys.argv[2]})
    print(*connection.execute(text("SELECT id FROM task_owners ORDER BY id")).scalars())
engine.dispose()
"""


def another_process(home: Path, writes: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", ANOTHER, str(home), writes], check=True, timeout=60, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_what_is_written_is_seen_when_a_home_is_opened_twice_and_another_process_has_left_it(tmp_path: Path) -> None:
    """A process that opens the file and closes it loses its locks, and the next to leave deletes the log under it."""
    first = open_home(tmp_path)
    with first.connect() as held:
        second = open_home(tmp_path)
        another_process(tmp_path, "a")
        with held.begin():
            held.execute(text("INSERT INTO task_owners VALUES ('b', 1)"))
        assert another_process(tmp_path, "c") == "a b c"
        second.dispose()
    first.dispose()
