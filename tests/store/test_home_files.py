"""Every file that a home can have is covered by `verify`, or of a kind that is named here with the reason why not."""

import random
from pathlib import Path

import pytest

from pumice import Store
from pumice.cli.main import main
from pumice.db.leases import OwnerLock
from pumice.service.access.audit import Act, Audit
from pumice.service.access.buckets import FILE_NAME, SharedBuckets
from pumice.service.models.uploads import Uploads
from pumice.service.store.types import PushWish
from pumice.service.tasks.webhooks import home_secret
from pumice.store.cache import PieceCache
from pumice.store.seal_keys import file
from tests.store.test_verify import flip
from tests.trust.material import own_public

NOT_COVERED = {
    "pumice.sqlite*": "the database; what the store goes by is held against what is signed",
    "audit.jsonl*": "a log",
    "limits.bin": "a cache of counters, which change with every request",
    "owners/*.lock": "locks",
    "store/owners/*.lock": "locks",
    "uploads/*/.lock": "a lock",
    "keys/*": "keys",
    "webhook.secret": "a key",
    "trust.json": "configuration",
    "cache/packs/*/*": "a cache; what is read from it is held against digests",
    "store/incoming/*.pack": "what a push that was killed left; no version uses it, and the collector takes it",
}


def not_covered(path: Path, home: Path) -> str:
    return next((kind for kind in NOT_COVERED if path in home.glob(kind)), "")


def test_one_flipped_bit_in_any_file_is_found(
    home: Path, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.create(tmp_path / "key")
    monkeypatch.setenv("PUMICE_HOME", str(home))
    monkeypatch.setenv("PUMICE_SEAL_KEY", f"file:{tmp_path / 'key'}")
    dice = random.Random(4)
    uploads, lock = Uploads(home / "uploads"), OwnerLock(home)
    with Store(home) as store, store._transfer.session() as session:
        store.push(source, "plain")
        store.push(source, "sealed", PushWish(seal=True))
        store.alias("plain", "prod", 1)
        store.keys.trust(own_public(home))
        (store._layout.incoming / f"{session.id}-1.pack").write_bytes(b"half a pack")
        Audit(home, 4096).record(Act(who="me", what="test", target={}, result="done", origin="local"))
        SharedBuckets(home / FILE_NAME)
        home_secret(home)
        sent = uploads.store("m", {"1/model.onnx": dice.randbytes(300), "config.json": b"{}", "empty": b""})
        PieceCache(home / "cache" / "packs", 10_000).put("ab-1", 0, b"a piece")
        assert store.verify().problems == []
        files = [path for path in sorted(home.rglob("*")) if path.is_file()]
        covered = [path for path in files if not not_covered(path, home) and path.stat().st_size]
        assert {not_covered(path, home) for path in files} == {"", *NOT_COVERED}
        assert {path.relative_to(home).parts[0] for path in covered} == {"store", "uploads"}
        assert {path.suffix for path in covered} == {".pack", ".json", ".onnx", ".sha256"}
        for path in covered:
            for _ in range(3):
                place = dice.randrange(8 * path.stat().st_size)
                flip(path, place)
                assert store.verify().problems, f"bit {place} of {path}"
                flip(path, place)
        (sent / "empty").unlink()
        with pytest.raises(SystemExit) as ended:
            main(["models", "verify"])
        assert ended.value.code == 3
        uploads.drop(sent)
        assert store.verify().problems == []
    uploads.close()
    lock.release()
