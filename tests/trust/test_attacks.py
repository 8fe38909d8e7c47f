"""The attacks of TUF's list, each held off; `docs/concepts/trust.md` names the tests."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from sqlalchemy import text

from pumice import Store
from pumice.db import signatures
from pumice.domain.errors import MalformedInput, PumiceError, Tampered, Untrusted
from pumice.domain.store.manifest import digest_of
from pumice.domain.trust import bundles
from pumice.domain.trust.bundles import decode_bundle, encode_bundle
from pumice.domain.trust.heads import Head, head_statement, read_head
from pumice.domain.trust.statements import FILES, PROVENANCE, decode_statement, encode_statement
from pumice.service.store.types import PushWish
from pumice.store.signing.private import SigningKey
from tests.trust.material import Keys
from tests.trust.mutations import forged, older_database, older_manifest, sql
from tests.trust.stages import Stage, prepare


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return prepare(tmp_path)


@pytest.fixture
def opened(stage: Stage) -> Iterator[Store]:
    with Store(stage.home) as store:
        yield store


def refused(home: Path, tmp_path: Path, ref: str = "m@prod") -> PumiceError:
    with Store(home) as store, pytest.raises(PumiceError) as caught:
        store.pull(ref, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with Store(home) as store, pytest.raises(type(caught.value)):
        store.hold(ref)
    return caught.value


def head_of(store: Store, model: str) -> Head:
    with store.engine.begin() as connection:
        body = signatures.head(connection, model)
    assert body is not None
    payload = decode_bundle(body, "").payload
    return read_head(decode_statement(payload, ""), payload, model)


def put_head(store: Store, head: Head, key: SigningKey) -> None:
    body = encode_bundle(key.sign(encode_statement(head_statement(head))))
    with store.engine.begin() as connection:
        signatures.put_head(connection, head.model, head.counter, body)


@pytest.mark.parametrize("form", [FILES, PROVENANCE])
def test_both_statements_of_a_version_must_be_by_a_known_key(stage: Stage, tmp_path: Path, form: str) -> None:
    with Store(stage.home) as store, store.engine.begin() as connection:
        own = store.keys.own
        assert own is not None
        (row,) = [row for row in signatures.of_version(connection, "m", 3) if row.form == form]
        body = row.body.replace(own.id.encode(), own.id[::-1].encode())
        assert body != row.body
        connection.execute(
            text("UPDATE store_signatures SET body = :b, digest = :n WHERE digest = :d AND version = 3"),
            {"b": body, "n": digest_of(body), "d": row.digest},
        )
    assert isinstance(refused(stage.home, tmp_path, "m@3"), Untrusted)


def test_arbitrary_software(stage: Stage, tmp_path: Path) -> None:
    """Files of the attacker's own, with a manifest that fits them, are nobody's version."""
    forged(lambda manifest: manifest.update(recipe={"by": "me"}))(stage)  # type: ignore[attr-defined]
    assert isinstance(refused(stage.home, tmp_path), Tampered)


def test_rollback(stage: Stage, tmp_path: Path) -> None:
    """A database from before, with all its valid signatures, is older than what was seen here."""
    older_database(stage)
    assert "somebody went back" in refused(stage.home, tmp_path).message


def test_rollback_of_one_version(stage: Stage, tmp_path: Path) -> None:
    """The record and signatures of version 1 do not pass for version 3."""
    older_manifest(stage)
    assert isinstance(refused(stage.home, tmp_path), Tampered)


def test_freeze(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who keeps the newest state back can do so for as long as a head may be old, and no longer."""
    monkeypatch.setenv("PUMICE_HEAD_MAX_AGE", "3600")
    with Store(stage.home) as store:
        signed = head_of(store, "m").time
    with Store(stage.home, clock=lambda: signed + 3000) as store:
        store.pull("m", tmp_path / "first")
    with Store(stage.home, clock=lambda: signed + 4000) as store:
        with pytest.raises(Untrusted, match="`head_max_age` allows 3600 s"):
            store.pull("m", tmp_path / "second")
        assert store.statements.sign("m") == []
        store.pull("m", tmp_path / "second")


def test_fast_forward(stage: Stage, opened: Store, stranger: Keys, tmp_path: Path) -> None:
    """A stolen key can raise the counter without end; once it is revoked, what it raised no longer counts."""
    from pumice.store.signing.private import read_key

    stolen = read_key(stranger.private)
    opened.keys.trust(stranger.public)
    own = head_of(opened, "m")
    put_head(opened, Head(**{name: getattr(own, name) for name in own.__struct_fields__} | {"counter": 2**52}), stolen)
    opened.pull("m", tmp_path / "seen")
    opened.keys.revoke(stolen.id, "stolen", 1.0)
    assert isinstance(refused(stage.home, tmp_path), Untrusted)
    opened.statements.sign("m")
    assert head_of(opened, "m").counter < 100
    opened.pull("m", tmp_path / "out")


def test_mix_and_match(stage: Stage, tmp_path: Path) -> None:
    """Versions and aliases that never were together are not those of any head."""
    sql("UPDATE store_aliases SET version = 2 WHERE model = 'm'")(stage)
    assert "points to 2, signed is 3" in refused(stage.home, tmp_path).message


def test_endless_data(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signature without end is not read to its end; a chunk has the length that its list says, or is refused."""
    monkeypatch.setattr(bundles, "MOST_BYTES", 100)
    with pytest.raises(MalformedInput, match="a signature has 100 at most"):
        decode_bundle(b"x" * 101, "it")
    monkeypatch.undo()
    sql("UPDATE store_chunks SET size = size + 1000000")(stage)
    assert isinstance(refused(stage.home, tmp_path), Tampered)


def test_a_head_without_end_is_not_read_to_its_end(stage: Stage, tmp_path: Path) -> None:
    with (stage.home / "store" / "heads" / "m.json").open("r+b") as file:
        file.truncate(65 * 1024 * 1024)
    assert "is larger than" in refused(stage.home, tmp_path).message


def test_extraneous_dependencies(stage: Stage, tmp_path: Path) -> None:
    """Parents are signed with their digests: none can be put in or exchanged."""
    forged(lambda manifest: manifest.update(parents=[]))(stage)  # type: ignore[attr-defined]
    assert isinstance(refused(stage.home, tmp_path), Tampered)
    with Store(stage.home) as store, pytest.raises(PumiceError):
        store.push(stage.folder, "child", PushWish(parents=("m@3",)))


def test_a_wrong_key(stage: Stage, tmp_path: Path) -> None:
    """A home that does not know the key hands nothing out, until somebody trusts it for this model."""
    public = tmp_path / "public.pem"
    with Store(stage.home) as store:
        public.write_bytes(store.keys.signing.public)
        (stage.home / "keys" / "signing.pem").unlink()
    assert "not known here" in refused(stage.home, tmp_path).message
    with Store(stage.home) as store:
        store.keys.trust(public, models=("other", "n*"))
        assert store.verify("other").problems == []
    assert "trusted for other, n* only" in refused(stage.home, tmp_path).message
    with Store(stage.home) as store:
        store.keys.trust(public, models=("m",), name="the team")
        store.pull("m", tmp_path / "out")
        assert "the team" in store.verify("m").signers["m@3"]


def test_a_revoked_key(stage: Stage, opened: Store, tmp_path: Path) -> None:
    """What a revoked key signed is refused; with a new key, who vouches for it signs it again."""
    old = opened.keys.signing.id
    new = opened.keys.rotate()
    assert new != old
    opened.pull("m", tmp_path / "before")
    opened.keys.revoke(old[:8], "lost", 1.0)
    error = refused(stage.home, tmp_path)
    assert isinstance(error, Untrusted)
    assert "is revoked: lost" in error.message
    assert [record.version for record in opened.statements.sign("m")] == [1, 2, 3]
    opened.pull("m", tmp_path / "out")


def test_the_policy_decides_of_who_signed_and_never_of_what_changed(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(stage.home) as store, store.engine.begin() as connection:
        connection.execute(text("DELETE FROM store_signatures"))
    assert isinstance(refused(stage.home, tmp_path), Untrusted)
    monkeypatch.setenv("PUMICE_SIGNATURES", "warn")
    with Store(stage.home) as store:
        store.pull("m", tmp_path / "warned")
        assert store.verify("m").problems == []
        assert "nobody signed it" in store.verify("m").unsigned[0]
    sql("UPDATE store_aliases SET version = 1 WHERE model = 'm'")(stage)
    assert isinstance(refused(stage.home, tmp_path), Tampered)
    monkeypatch.setenv("PUMICE_SIGNATURES", "off")
    with Store(stage.home) as store:
        store.pull("m", tmp_path / "off")


def test_what_was_stored_before_there_were_signatures_is_signed_by_command(stage: Stage, tmp_path: Path) -> None:
    with Store(stage.home) as store, store.engine.begin() as connection:
        for table in ("store_signatures", "store_heads"):
            connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608
    shutil.rmtree(stage.home / "store" / "heads")
    assert "nobody signed it" in refused(stage.home, tmp_path).message
    with Store(stage.home) as store:
        store.alias("m", "prod", 1)  # signs the state of the name, and no version
    assert "nobody signed it" in refused(stage.home, tmp_path).message
    with Store(stage.home) as store:
        assert [record.version for record in store.statements.sign("m")] == [1, 2, 3]
        store.pull("m", tmp_path / "out")
        assert store.verify("m").problems == []


def test_nothing_changed_is_signed_by_command(stage: Stage) -> None:
    with Store(stage.home) as store, store.engine.begin() as connection:
        connection.execute(text("DELETE FROM store_signatures"))
    for pack in (stage.home / "store" / "packs").glob("*/*.pack"):
        data = bytearray(pack.read_bytes())
        data[len(data) // 2] ^= 1
        pack.write_bytes(data)
    with Store(stage.home) as store, pytest.raises(Tampered):
        store.statements.sign("m")


@pytest.mark.parametrize("pattern", ["packs/*/*.pack", "heads/*.json"])
def test_one_flipped_bit_in_every_kind_of_file_is_found(stage: Stage, pattern: str) -> None:
    kinds = {path.suffix for path in (stage.home / "store").rglob("*") if path.is_file()}
    assert kinds == {".pack", ".json"}, "a kind of file that this test does not know"
    dice = random.Random(3)
    for path in (stage.home / "store").glob(pattern):
        for _ in range(8):
            data = bytearray(path.read_bytes())
            place = dice.randrange(len(data) * 8)
            data[place // 8] ^= 1 << place % 8
            path.write_bytes(data)
            with Store(stage.home) as store:
                assert store.verify().problems, (path, place)
            data[place // 8] ^= 1 << place % 8
            path.write_bytes(data)
    with Store(stage.home) as store:
        assert store.verify().problems == []


def test_a_stranger_signs_nothing_here(opened: Store) -> None:
    own = head_of(opened, "m")
    put_head(opened, own, SigningKey(generate_private_key(SECP256R1())))
    with pytest.raises(Untrusted, match="not known here"):
        opened.alias("m", "prod", 1)
