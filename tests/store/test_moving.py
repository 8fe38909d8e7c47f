"""A store that moves, to a bucket and PostgreSQL and back; and what homes notice that saw a later state."""

import os
from pathlib import Path

import pytest
from sqlalchemy import Engine

from pumice import Store
from pumice.db import Place
from pumice.domain.errors import BadArtefact, Tampered
from pumice.service.store.restoring import Restore
from pumice.store.signing.private import make_key
from tests.store.test_backups import back_up, folder, restore, stored, told
from tests.support.buckets import Bucket, bucket, s3
from tests.support.postgres import Cluster
from tests.support.stores import cluster, postgres

__all__ = ["bucket", "cluster", "folder", "postgres", "s3", "stored"]


def test_a_store_moves_to_a_bucket_and_postgresql_and_back(
    stored: Store,
    folder: Path,
    tmp_path: Path,
    bucket: Bucket,
    postgres: Place,
    source: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    back_up(stored, folder, secrets=True)
    cloud = {"database": postgres.url, **bucket.settings}
    fill = Restore._fill

    def killed_after_it(task: Restore, source: Engine) -> None:
        fill(task, source)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Restore, "_fill", killed_after_it)
        with pytest.raises(KeyboardInterrupt):
            restore(folder, tmp_path / "there", **cloud)
    with pytest.raises(BadArtefact, match="run it again"):
        Store(tmp_path / "there", settings=cloud)
    there = restore(folder, tmp_path / "there", **cloud)
    assert (there.problems, there.own) == ([], True)
    with Store(tmp_path / "there", settings=cloud, by="tester") as store:
        assert told(store) == told(stored)
        assert store.verify().problems == []
        (source / "new").write_bytes(os.urandom(20_000))
        pushed = store.push(source, "m")
        assert pushed.version == 4
        assert store.alias("m", "prod", 4).version == 4, "the journal goes on"
        done = back_up(store, folder, secrets=True)
        assert done.copied < 25_000, "the packs are those of the home that it came from"
        before = told(store)
    # a home that never looked at a name has seen no head of it
    with Store(
        tmp_path / "blind", settings={**cloud, "signing_key": str(tmp_path / "there/keys/signing.pem")}
    ) as blind:
        back_up(blind, tmp_path / "blindly")
    assert restore(tmp_path / "blindly", tmp_path / "seeing").problems == []
    with pytest.raises(BadArtefact, match="it has rows"):
        restore(folder, tmp_path / "again", **cloud)
    assert restore(folder, tmp_path / "back").problems == []
    with Store(tmp_path / "back") as store:
        assert told(store) == before
        assert store.verify().problems == []
        assert store.push(source, "m").version == 5


def test_another_home_sees_that_a_restored_state_is_an_older_one(
    bucket: Bucket, cluster: Cluster, folder: Path, tmp_path: Path, source: Path
) -> None:
    make_key(tmp_path / "team.pem")
    team = {"signing_key": str(tmp_path / "team.pem")}
    first, second = cluster.new_database(), cluster.new_database()
    with Store(tmp_path / "one", settings={**team, **bucket.settings, "database": first}) as one:
        one.push(source, "m")
        back_up(one, folder)
        one.push(source, "m")
        one.push(source, "late")
    with Store(tmp_path / "other", settings={**team, **bucket.settings, "database": first}) as other:
        other.pull("m@2", tmp_path / "out")
        other.pull("late", tmp_path / "late")
    place = Bucket(bucket.endpoint).make().settings
    now = {**team, **place, "database": second}
    assert restore(folder, tmp_path / "new", **now).problems == []
    with Store(tmp_path / "other", settings=now) as other:
        with pytest.raises(Tampered, match="somebody went back"):
            other.pull("m", tmp_path / "again")
        assert any("'late': it was seen here and is gone" in problem for problem in other.verify().problems)
        # its operator says that the state is right
        for name in other.statements.names():
            other.statements.sign(name)
        other.pull("m", tmp_path / "again")
        assert other.verify().problems == []
    with Store(tmp_path / "new", settings=now) as new:
        assert new.verify().problems == []
        assert new.push(source, "m").version == 2
