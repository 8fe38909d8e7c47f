"""Packs in an object store: a real server of S3, the embedded database or PostgreSQL, homes that share nothing else."""

import json
import os
import random
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from pumice import Store
from pumice.cli.main import main
from pumice.db import Place
from pumice.domain.errors import BadSetting, StorageFailed, Tampered
from pumice.store.cache import PIECE, PieceCache
from pumice.store.objects import PART, Objects
from pumice.store.signing.private import make_key
from tests.support.buckets import SECRET, Bucket, bucket, s3
from tests.support.stores import cluster, postgres

__all__ = ["bucket", "cluster", "postgres", "s3"]

Opened = Callable[[str], Store]


@pytest.fixture
def objects(bucket: Bucket) -> Objects:
    return Objects(bucket.url, bucket.options)


@pytest.fixture
def team_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The key with which all homes sign."""
    file = tmp_path / "team.pem"
    make_key(file)
    monkeypatch.setenv("PUMICE_SIGNING_KEY", str(file))
    return file


@pytest.fixture
def at(bucket: Bucket, postgres: Place, tmp_path: Path, team_key: Path) -> Iterator[Opened]:
    """The store, opened in a home of its own."""
    opened: list[Store] = []

    def open_in(home: str) -> Store:
        folder = tmp_path / home
        store = Store(folder, database=postgres.url, settings=bucket.settings, by="tester")
        opened.append(store)
        return store

    yield open_in
    for store in opened:
        store.close()


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A model of several parts of an upload, and pieces of the cache."""
    folder = tmp_path / "large"
    folder.mkdir()
    (folder / "weights").write_bytes(random.Random(1).randbytes(2 * max(PART, PIECE) + 12_345))
    return folder


def cached(home: Path) -> list[Path]:
    return sorted((home / "cache" / "packs").glob("*/*"))


def test_homes_that_share_nothing_else_see_the_same_versions(at: Opened, large: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    pushed = at("one").push(large, "m", progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (pushed.size, pushed.size)
    assert told == sorted(told)
    other = at("other")
    other.pull("m@1", tmp_path / "out")
    assert (tmp_path / "out" / "weights").read_bytes() == (large / "weights").read_bytes()
    assert other.show("m").record == pushed
    assert other.verify().problems == other.verify("m").problems == []
    (large / "weights").write_bytes((large / "weights").read_bytes()[:-100] + os.urandom(100))
    assert other.push(large, "m").stored < PIECE


def test_what_no_version_needs_leaves_the_store(at: Opened, source: Path, objects: Objects) -> None:
    store = at("one")
    store.push(source, "m")
    other = at("other")
    other.push(source, "n")
    (source / "sub" / "README.md").write_text("# Another\n")
    store.push(source, "m")
    assert len(objects.every("packs")) == 2
    for ref in ("m@1", "n@1", "m@2"):
        store.delete(ref)
    assert other.gc().packs == 2
    assert objects.every("packs") == []
    assert store.verify().problems == []


def test_a_pack_that_is_mostly_dead_is_written_anew(at: Opened, source: Path, tmp_path: Path, objects: Objects) -> None:
    store = at("one")
    (source / "gone").write_bytes(os.urandom(300_000))
    store.push(source, "m")
    (source / "gone").unlink()
    store.push(source, "m")
    store.delete("m@1")
    assert store.gc().rewritten == 1
    assert sum(found.size for found in objects.every("packs")) < 200_000
    at("other").pull("m", tmp_path / "out")
    assert store.verify().problems == []


def test_a_damaged_cache_is_fetched_again(at: Opened, large: Path, tmp_path: Path) -> None:
    store = at("home")
    store.push(large, "m")
    store.pull("m", tmp_path / "first")
    pieces = cached(tmp_path / "home")
    assert len(pieces) >= 3
    pieces[0].write_bytes(b"short")
    pieces[1].write_bytes(os.urandom(pieces[1].stat().st_size))
    pieces[2].unlink()
    store.pull("m", tmp_path / "second")
    assert (tmp_path / "second" / "weights").read_bytes() == (large / "weights").read_bytes()
    for path in cached(tmp_path / "home"):
        path.write_bytes(os.urandom(PIECE))
    assert store.show("m").manifest.files
    assert store.verify("m").problems == []
    store.pull("m", tmp_path / "third")


def test_damage_in_the_store_is_told_although_the_cache_is_whole(
    at: Opened, source: Path, tmp_path: Path, objects: Objects
) -> None:
    store = at("one")
    store.push(source, "m")
    store.pull("m", tmp_path / "first")
    (found,) = objects.every("packs")
    data = bytearray(objects.read(found.name, 0, found.size))
    data[200] ^= 1
    objects.delete(found.name)
    assert objects.create(found.name, bytes(data))
    assert any("other bytes than were stored" in problem for problem in store.verify("m").problems)
    assert store.verify().problems
    with pytest.raises(Tampered):
        _cold(store, tmp_path)
    objects.delete(found.name)
    assert any("not there" in problem for problem in store.verify().problems)


def _cold(store: Store, folder: Path) -> None:
    for home in folder.iterdir():
        for path in cached(home):
            path.unlink()
    store.pull("m", folder / "cold")


def test_objects_that_do_not_belong_there_are_named_and_left_overs_go(
    at: Opened, source: Path, objects: Objects
) -> None:
    store = at("one")
    store.push(source, "m")
    gone = "0f0e0d0c-0000-4000-8000-000000000000-1"
    objects.create(f"packs/0f/{gone}.pack", b"half a pack")
    objects.create("packs/extra", b"hello")
    system, bucket = objects._opened(), objects._stripped("").partition("/")[0]
    key = objects._stripped(f"packs/0f/{gone}.pack").partition("/")[2]
    upload = system.call_s3("create_multipart_upload", Bucket=bucket, Key=key)["UploadId"]
    system.call_s3("upload_part", Bucket=bucket, Key=key, UploadId=upload, PartNumber=1, Body=b"half a part")
    found = store.verify()
    assert ["extra" in problem for problem in found.problems] == [True]
    assert store.gc().leftovers == 2
    assert objects.uploads("packs") == []
    assert [name for name, _ in objects.every("packs") if gone in name] == []
    objects.delete("packs/extra")
    assert store.verify().problems == []


def test_a_silent_transfer_of_another_home_is_given_up_by_the_clock_of_the_database(
    bucket: Bucket, postgres: Place, source: Path, tmp_path: Path, team_key: Path
) -> None:
    def opened(home: str, clock: float) -> Store:
        # the clocks of the hosts are years apart, which nobody notices
        return Store(
            tmp_path / home,
            database=postgres.url,
            settings=bucket.settings,
            clock=lambda: clock,
        )

    with opened("one", 1e9) as one, opened("other", 3e9) as other:
        digest = bytes.fromhex(one.push(source, "m").digest)
        with one._transfer.session() as session:
            session.find([digest])
            one.delete("m@1")
            assert other.gc().packs == 0
            with one.engine.begin() as connection:
                connection.execute(text("UPDATE store_sessions SET until = until - 301"))
            assert other.gc().packs == 1
            with pytest.raises(StorageFailed, match="given up"), one.engine.begin() as connection:
                session.renew(connection)


def test_a_place_belongs_to_one_database(bucket: Bucket, source: Path, tmp_path: Path) -> None:
    where = bucket.settings
    with Store(tmp_path / "a", settings=where) as store:
        store.push(source, "m")
    with Store(tmp_path / "b", settings=where) as other:
        with pytest.raises(BadSetting, match="another database"):
            other.push(source, "m")
        with pytest.raises(BadSetting, match="another database"):
            other.gc()
    with pytest.raises(BadSetting, match=f"store_url: given nothing; allowed '{bucket.url}'"):
        Store(tmp_path / "a")
    with Store(tmp_path / "c") as local:
        local.push(source, "m")
    with pytest.raises(BadSetting, match="in the home"):
        Store(tmp_path / "c", settings=where)


def test_a_store_that_is_away_is_told_without_secrets(source: Path, tmp_path: Path, bucket: Bucket) -> None:
    pauses: list[float] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        nobody = f"http://127.0.0.1:{server.getsockname()[1]}"  # once it is closed
    options = {**bucket.options, "endpoint_url": nobody, "config_kwargs": {"retries": {"max_attempts": 0}}}
    away = Objects(bucket.url, options, pauses.append)
    with pytest.raises(StorageFailed) as told:
        away.every("packs")
    assert SECRET not in str(told.value.message)
    assert pauses == sorted(pauses)
    assert len(pauses) == 3
    missing = Objects("s3://there-is-no-such-bucket/x", bucket.options, pauses.append)
    with pytest.raises(StorageFailed, match="there-is-no-such-bucket") as told:
        missing.create("mark", b"x")
    assert SECRET not in repr(told.value) + str(told.value.message)


@pytest.mark.parametrize("url", ["bucket", "s3://", f"s3://key:{SECRET}@bucket/x", f"s3://bucket/x?secret={SECRET}"])
def test_a_url_that_is_none_or_has_secrets_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="store_url") as told:
        Store(tmp_path, settings={"store_url": url})
    assert SECRET not in told.value.message


def test_commands_take_it_from_the_environment(
    bucket: Bucket, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PUMICE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PUMICE_STORE_URL", bucket.url)
    monkeypatch.setenv("PUMICE_STORE_OPTIONS", json.dumps(bucket.options))
    with pytest.raises(SystemExit) as ended:
        main(["models", "push", str(source), "--name", "m", "--json"])
    assert ended.value.code == 0
    assert json.loads(capsys.readouterr().out)["version"] == 1
    monkeypatch.setenv("PUMICE_STORE_OPTIONS", SECRET)
    with pytest.raises(SystemExit) as ended:
        main(["models", "list"])
    told = capsys.readouterr()
    assert ended.value.code == 2
    assert SECRET not in told.err + told.out


def test_the_cache_keeps_its_bound_and_lets_the_oldest_go(tmp_path: Path) -> None:
    cache = PieceCache(tmp_path / "cache", 10_000)
    for number in range(30):
        os.close(cache.put("ab-1", number, bytes(1000)))
        for old in (0, 1):
            handle = cache.open("ab-1", old, 1000)
            if handle is not None:
                os.utime(handle, (2e9 + number, 2e9 + number))  # used just now
                os.close(handle)
        assert sum(path.stat().st_size for path in (tmp_path / "cache").glob("*/*")) <= 10_000
    kept = {int(path.suffix[1:]) for path in (tmp_path / "cache").glob("*/*")}
    assert {0, 1} < kept
    assert not list((tmp_path / "cache").glob("*.part"))


def test_pushers_a_reader_and_a_collector_on_two_homes_see_no_half_version(
    bucket: Bucket, postgres: Place, tmp_path: Path, team_key: Path
) -> None:
    told = {"database": postgres.url, "store_url": bucket.url, "store_options": json.dumps(bucket.options)}
    environ = os.environ | {f"PUMICE_{key.upper()}": value for key, value in told.items()}
    command = [sys.executable, "-m", "tests.store.crowd", str(tmp_path / "home"), "3", "apart"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False, env=environ)
    assert done.returncode == 0, done.stderr
