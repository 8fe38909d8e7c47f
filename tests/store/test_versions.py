"""Versions, aliases, their history, lineage, and what stands in the way of a deletion."""

from pathlib import Path

import pytest

from pumice import Store
from pumice.domain.errors import BadSetting, MalformedInput, VersionInUse, VersionNotFound
from pumice.domain.store.difference import Change
from pumice.domain.store.manifest import (
    Parent,
    StoredFile,
    VersionManifest,
    decode_manifest,
    digest_of,
    encode_manifest,
)
from pumice.domain.store.names import Ref, parse_ref
from pumice.service.store.types import PushWish


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


@pytest.fixture
def three(store: Store, source: Path) -> Store:
    for number in range(3):
        (source / "weights.safetensors").write_bytes(bytes([number]) * 5000)
        store.push(source, "m")
    return store


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("m", Ref("m")),
        ("m@3", Ref("m", 3)),
        ("m@prod", Ref("m", alias="prod")),
        ("a.b-c_1@v3", Ref("a.b-c_1", alias="v3")),
    ],
)
def test_references(text: str, ref: Ref) -> None:
    assert parse_ref(text) == ref
    assert str(ref) == text


@pytest.mark.parametrize("text", ["", "@", "m@", "m@0", "m@01", "m@-1", "../m", "m/n", "m@a@b", "m@a b", "é", "m\n"])
def test_what_is_no_reference(text: str) -> None:
    with pytest.raises(BadSetting):
        parse_ref(text)


def test_numbers_are_given_once(three: Store, source: Path) -> None:
    three.delete("m@3")
    assert three.push(source, "m").version == 4
    assert [record.version for record in three.versions("m")] == [1, 2, 4]
    assert three.find("m").version == 4
    assert [(model.model, model.versions, model.newest) for model in three.models()] == [("m", 3, 4)]


def test_equal_content_has_an_equal_digest(three: Store, source: Path) -> None:
    assert three.push(source, "m").digest == three.push(source, "other").digest == three.find("m@3").digest
    assert three.find("m@1").digest != three.find("m@2").digest


def test_rollback_goes_back_again_and_again(three: Store) -> None:
    for version in (1, 2, 3):
        three.alias("m", "prod", version)
    assert [three.rollback("m").version for _ in range(2)] == [2, 1]
    with pytest.raises(VersionNotFound, match="one step back"):
        three.rollback("m")
    three.alias("m", "prod", 3)
    assert three.rollback("m").version == 1
    assert three.find("m@prod").version == 1


def test_rollback_passes_over_what_was_deleted(three: Store) -> None:
    for version in (1, 2, 3):
        three.alias("m", "prod", version)
    three.delete("m@2")
    assert three.rollback("m").version == 1


def test_what_an_alias_meant_at_a_time(source: Path, home: Path) -> None:
    clock = Clock()
    with Store(home, by="ann", clock=clock) as store:
        store.push(source, "m")
        store.push(source, "m")
        first = store.alias("m", "prod", 1, "a try")
        second = store.alias("m", "prod", 2)
        back = store.rollback("m", reason="it was worse")
        assert store.at("m@prod", first.at) == first
        assert store.at("m@prod", second.at - 0.5).version == 1
        assert store.at("m@prod", second.at).version == 2
        assert (back.kind, back.version, back.reason, back.moved_by) == ("rollback", 1, "it was worse", "ann")
        assert store.at("m@prod", back.at + 1e6) == back
        with pytest.raises(VersionNotFound, match="at that time"):
            store.at("m@prod", first.at - 0.5)
        clock.now = 0
        late = store.alias("m", "prod", 2)
        assert late.at >= back.at, "a clock that is set back does not bring the journal out of order"


def test_an_alias_that_stays_writes_nothing_down(three: Store) -> None:
    assert three.alias("m", "prod", 1) == three.alias("m", "prod", 1)
    assert [move.kind for move in three.show("m").history] == ["alias", "push", "push", "push"]


def test_an_alias_of_nothing_is_refused(three: Store) -> None:
    with pytest.raises(VersionNotFound, match="m@3"):
        three.alias("m", "prod", 9)
    with pytest.raises(BadSetting):
        three.alias("m", "3", 1)
    with pytest.raises(VersionNotFound):
        three.find("m@prod")


def test_lineage_leads_to_the_first_parents(store: Store, source: Path) -> None:
    store.push(source, "base")
    store.push(source, "light", PushWish(parents=("base@1",), recipe={"passes": ["int8"]}))
    store.push(source, "best", PushWish(parents=("light", "base@1"), recipe={"passes": ["merge"]}))
    found = store.lineage("best")
    assert [parent.ref for parent in found.parents] == ["light@1", "base@1"]
    assert found.parents[0].parents[0].ref == "base@1"
    assert found.parents[0].recipe == {"passes": ["int8"]}
    assert store.lineage("base").children == ["best@1", "light@1"]
    assert store.show("light").manifest.parents == [Parent("base", 1, store.find("base").digest)]


def test_what_is_needed_is_not_deleted(store: Store, source: Path) -> None:
    store.push(source, "base")
    store.push(source, "light", PushWish(parents=("base",)))
    store.alias("light", "prod", 1)
    with pytest.raises(VersionInUse, match=r"light@1.*made from it"):
        store.delete("base@1")
    with pytest.raises(VersionInUse, match="'prod' points to it"):
        store.delete("light@1")
    with pytest.raises(BadSetting, match="by its number"):
        store.delete("light")


def test_a_difference_names_what_changed(store: Store, source: Path) -> None:
    manifest = source / "manifest.json"
    weights = source / "model.onnx"
    weights.write_bytes(b"\x08\x08")
    manifest.write_text('{"model": "model.onnx", "metrics": {"accuracy": 0.9}}')
    store.push(source, "m")
    manifest.write_text('{"model": "model.onnx", "metrics": {"accuracy": 0.8}, "licence": "MIT"}')
    (source / "empty").unlink()
    (source / "new").write_text("new")
    store.push(source, "m")
    found = store.diff("m@1", "m@2")
    assert (found.same, found.added, found.removed, list(found.changed)) == (
        False,
        ["new"],
        ["empty"],
        ["manifest.json"],
    )
    assert found.spec == {"licence": Change(None, "MIT"), "metrics.accuracy": Change(0.9, 0.8)}
    assert store.diff("m@2", "m").same


FILE = StoredFile("a", 0, "0" * 64, [])


@pytest.mark.parametrize(
    "files",
    [
        [StoredFile("../a", 0, "0" * 64, [])],
        [StoredFile("/a", 0, "0" * 64, [])],
        [StoredFile("a//b", 0, "0" * 64, [])],
        [FILE, FILE],
        [StoredFile("b", 0, "0" * 64, []), FILE],
        [FILE, StoredFile("a/b", 0, "0" * 64, [])],
        [StoredFile("a", -1, "0" * 64, [])],
        [StoredFile("a", 0, "0" * 63 + "G", [])],
        [StoredFile("a", 1, "0" * 64, ["../../etc/passwd"])],
    ],
)
def test_a_manifest_that_would_lead_out_is_neither_written_nor_read(files: list[StoredFile]) -> None:
    import msgspec

    manifest = VersionManifest(files=files)
    with pytest.raises(MalformedInput):
        encode_manifest(manifest)
    data = msgspec.json.encode(manifest)
    with pytest.raises(MalformedInput):
        decode_manifest(data, digest_of(data))
