"""Space comes back when nobody needs it, and never from under somebody."""

import os
from pathlib import Path

import pytest

from pumice import Store
from pumice.domain.errors import StorageFailed
from pumice.store.layout import Layout
from pumice.store.sessions import LEASE_S, Session, transaction


def packs(home: Path) -> set[str]:
    return {path.stem for path in (home / "store" / "packs").rglob("*.pack")}


def test_a_dry_run_tells_what_the_real_one_does(store: Store, source: Path, home: Path) -> None:
    store.push(source, "m")
    store.delete("m@1")
    told = store.gc(dry_run=True)
    assert (told.packs, len(packs(home)), told.kept) == (1, 1, 0)
    done = store.gc()
    assert (done.packs, done.bytes, packs(home)) == (1, told.bytes, set())
    assert store.gc().packs == 0


def test_a_sibling_keeps_what_it_shares(store: Store, tmp_path: Path, home: Path) -> None:
    source = tmp_path / "weights"
    data = bytearray(os.urandom(200_000))
    source.write_bytes(data)
    store.push(source, "m")
    data[:500] = os.urandom(500)
    source.write_bytes(data)
    store.push(source, "m")
    store.delete("m@1")
    store.gc()
    store.pull("m", tmp_path / "out")
    assert (tmp_path / "out" / "weights").read_bytes() == data
    assert store.verify().problems == []
    store.delete("m@2")
    store.gc()
    assert packs(home) == set()


def test_what_a_session_found_stays_until_it_ends(store: Store, source: Path, home: Path) -> None:
    digest = bytes.fromhex(store.push(source, "m").digest)
    store.delete("m@1")
    with Session(store.engine, Layout(home)) as session:
        assert session.find([digest])
        assert store.gc().packs == 0
    assert store.gc().packs == 1


def test_a_push_that_was_given_up_is_told_so(store: Store, source: Path, home: Path) -> None:
    now = [1000.0]
    session = Session(store.engine, Layout(home), lambda: now[0])
    with session:
        # another machine has no lock to look at, and goes by the lease
        (home / "store" / "owners" / f"{session.id}.lock").unlink()
        with Store(home, clock=lambda: now[0] + LEASE_S + 1) as other:
            other.gc()
        now[0] += LEASE_S + 2
        with pytest.raises(StorageFailed, match="given up"), transaction(store.engine) as connection:
            session.renew(connection)


def test_what_was_left_behind_is_taken_and_named(store: Store, source: Path, home: Path) -> None:
    store.push(source, "m")
    left = home / "store" / "incoming" / "0f0e0d0c-0000-4000-8000-000000000000-1.pack"
    left.write_bytes(b"half a pack")
    found = store.verify()
    assert (found.problems, found.leftovers) == ([], 1)
    assert store.gc(dry_run=True).leftovers == 1
    assert left.exists()
    assert store.gc().leftovers == 1
    assert not left.exists()
    assert store.verify().problems == []


def test_a_pack_that_is_mostly_dead_is_written_anew(store: Store, tmp_path: Path, home: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    kept = os.urandom(100_000)
    (source / "kept").write_bytes(kept)
    (source / "gone").write_bytes(os.urandom(400_000))
    store.push(source, "m")
    (source / "gone").unlink()
    store.push(source, "m")
    before = packs(home)
    store.delete("m@1")
    told = store.gc(dry_run=True)
    assert packs(home) == before
    done = store.gc()
    assert (told.rewritten, done.rewritten) == (1, 1)
    assert min(told.bytes, done.bytes) >= 400_000
    assert len(packs(home)) == 2
    assert len(packs(home) & before) == 1
    assert sum(path.stat().st_size for path in (home / "store").rglob("*.pack")) < 110_000
    found = store.verify()
    assert (found.problems, found.leftovers) == ([], 0)
    store.pull("m", tmp_path / "out")
    assert (tmp_path / "out" / "kept").read_bytes() == kept
    assert store.gc().bytes == 0


def test_a_pack_that_is_mostly_needed_stays(store: Store, tmp_path: Path, home: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "kept").write_bytes(os.urandom(400_000))
    (source / "gone").write_bytes(os.urandom(100_000))
    store.push(source, "m")
    (source / "gone").unlink()
    store.push(source, "m")
    before = packs(home)
    store.delete("m@1")
    assert store.gc().rewritten == 0
    assert packs(home) == before
    assert store.verify().problems == []


def test_a_pack_that_somebody_reads_is_not_written_anew(store: Store, tmp_path: Path, home: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "kept").write_bytes(os.urandom(10_000))
    (source / "gone").write_bytes(os.urandom(400_000))
    store.push(source, "m")
    (source / "gone").unlink()
    second = store.push(source, "m")
    store.delete("m@1")
    with Session(store.engine, Layout(home)) as session:
        store._transfer.hold(session, f"m@{second.version}")
        assert store.gc().rewritten == 0
    assert store.gc().rewritten == 1


def test_a_damaged_pack_is_left_for_verify_to_tell(store: Store, tmp_path: Path, home: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a-kept").write_bytes(os.urandom(3000))
    (source / "gone").write_bytes(os.urandom(400_000))
    store.push(source, "m")
    (damaged,) = (home / "store").rglob("*.pack")
    (source / "gone").unlink()
    store.push(source, "m")
    store.delete("m@1")
    data = bytearray(damaged.read_bytes())
    data[100] ^= 1
    damaged.write_bytes(data)
    assert store.gc().rewritten == 0
    assert damaged.exists()
    assert any("other bytes" in problem for problem in store.verify("m").problems)
