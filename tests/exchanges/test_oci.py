"""OCI layouts: round trips, packs of other tools, a real registry, and layouts that lie."""

import gzip
import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from pumice import Store, export_model, import_model
from pumice.domain.errors import (
    BadArtefact,
    MalformedInput,
    PumiceError,
    Tampered,
    UnsafeArtefact,
    Unsupported,
    Untrusted,
)
from pumice.service.store.types import PushWish
from tests.exchanges.conftest import Digests

Change = Callable[[dict[str, Any]], None]
WEIGHT = "application/vnd.cncf.model.weight.v1"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    place = tmp_path / "model"
    (place / "sub").mkdir(parents=True)
    save_file({"w": np.arange(8, dtype=np.float32)}, place / "model.safetensors")
    (place / "sub" / "notes.md").write_text("# Notes\n")
    (place / "empty").write_bytes(b"")
    (place / "manifest.json").write_text('{"format": "transformers", "licence": "MIT", "task": "text-embedding"}')
    return place


@pytest.fixture
def layout(store: Store, model: Path, tmp_path: Path) -> Path:
    store.push(model, "m")
    export_model(store, "m", f"oci:{tmp_path / 'layout'}")
    return tmp_path / "layout"


class Pack:
    """A layout that is written by hand, as another tool or an attacker would."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.layers: list[dict[str, Any]] = []
        self.diff_ids: list[str] = []
        (place / "blobs" / "sha256").mkdir(parents=True)
        (place / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def blob(self, data: bytes, kind: str) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        (self.place / "blobs" / "sha256" / digest).write_bytes(data)
        return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(data)}

    def raw(self, path: str, data: bytes) -> None:
        self.layers.append(self.blob(data, f"{WEIGHT}.raw") | {"annotations": {"org.cncf.model.filepath": path}})
        self.diff_ids.append(self.layers[-1]["digest"])

    def tar(self, *members: tarfile.TarInfo, packed: bool = False) -> None:
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as archive:
            for member in members:
                archive.addfile(member, io.BytesIO(b"x" * member.size))
        data = stream.getvalue()
        self.diff_ids.append(f"sha256:{hashlib.sha256(data).hexdigest()}")
        kind = f"{WEIGHT}.tar+gzip" if packed else f"{WEIGHT}.tar"
        self.layers.append(self.blob(gzip.compress(data) if packed else data, kind))

    def done(self, change: Change = lambda _manifest: None) -> str:
        config = {
            "descriptor": {"name": "theirs"},
            "config": {},
            "modelfs": {"type": "layers", "diffIds": self.diff_ids},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "artifactType": "application/vnd.cncf.model.manifest.v1+json",
            "config": self.blob(json.dumps(config).encode(), "application/vnd.cncf.model.config.v1+json"),
            "layers": self.layers,
        }
        change(manifest)
        entry = self.blob(json.dumps(manifest).encode(), "application/vnd.oci.image.manifest.v1+json")
        (self.place / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
        return f"oci:{self.place}"


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    return Pack(tmp_path / "pack")


def member(name: str, size: int = 4, **more: Any) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.size = size
    for key, value in more.items():
        setattr(made, key, value)
    return made


@pytest.mark.parametrize("target", ["out", "out.tar"])
def test_a_round_trip_keeps_every_file_and_what_is_known(
    store: Store, model: Path, digests: Digests, tmp_path: Path, target: str
) -> None:
    store.push(model, "base")
    store.push(model, "m", PushWish(parents=("base@1",), recipe={"passes": ["none"]}))
    sent = export_model(store, "m", f"oci:{tmp_path / target}:v1")
    found = import_model(store, f"oci:{tmp_path / target}:v1", "again")
    assert digests("again") == digests("m")
    before, after = store.show("m").manifest, store.show("again").manifest
    assert (after.spec, after.entry) == (before.spec, before.entry)
    assert found.origin["version"]["digest"] == store.show("m").record.digest
    assert found.origin["version"]["parents"][0]["model"] == "base"
    assert (found.origin["digest"], found.origin["tag"]) == (sent.about["digest"], "v1")
    # equal versions are equal bytes
    export_model(store, "m", f"oci:{tmp_path / 'twice'}{Path(target).suffix}:v1")
    if target.endswith(".tar"):
        assert (tmp_path / target).read_bytes() == (tmp_path / f"twice{Path(target).suffix}").read_bytes()


def test_a_single_file_comes_back_with_what_stands_beside_it(store: Store, tmp_path: Path) -> None:
    save_file({"w": np.ones(2, np.float32)}, tmp_path / "a.safetensors")
    (tmp_path / "a.manifest.json").write_text('{"format": "transformers", "description": "beside"}')
    store.push(tmp_path / "a.safetensors", "m")
    export_model(store, "m", f"oci:{tmp_path / 'out'}")
    import_model(store, str(tmp_path / "out"), "again")
    before, after = store.show("m").manifest, store.show("again").manifest
    assert (after.spec, after.entry, after.files) == (before.spec, before.entry, before.files)


def test_the_layout_is_what_the_specification_says(layout: Path) -> None:
    index = json.loads((layout / "index.json").read_text())
    assert json.loads((layout / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    entry, version, signature, *_ = index["manifests"]
    manifest = json.loads((layout / "blobs/sha256" / entry["digest"][7:]).read_text())
    config = json.loads((layout / "blobs/sha256" / manifest["config"]["digest"][7:]).read_text())
    kinds = {layer["annotations"]["org.cncf.model.filepath"]: layer["mediaType"] for layer in manifest["layers"]}
    assert kinds == {
        "empty": f"{WEIGHT}.raw",
        "manifest.json": "application/vnd.cncf.model.weight.config.v1.raw",
        "model.safetensors": f"{WEIGHT}.raw",
        "sub/notes.md": "application/vnd.cncf.model.doc.v1.raw",
    }
    assert config["modelfs"]["diffIds"] == [layer["digest"] for layer in manifest["layers"]]
    assert config["config"] == {
        "format": "safetensors",
        "capabilities": {"inputTypes": ["text"], "outputTypes": ["embedding"]},
    }
    assert (config["descriptor"]["name"], config["descriptor"]["licenses"]) == ("m", ["MIT"])
    attached = json.loads((layout / "blobs/sha256" / version["digest"][7:]).read_text())
    assert attached["subject"]["digest"] == entry["digest"]
    assert attached["artifactType"] == version["artifactType"] == "application/vnd.pumice.version.v1+json"
    assert signature["artifactType"] == "application/vnd.dev.sigstore.bundle.v0.3+json"


def test_packs_of_other_tools_come_in(store: Store, pack: Pack, digests: Digests, model: Path) -> None:
    pack.raw("model.safetensors", (model / "model.safetensors").read_bytes())
    pack.raw("config.json", b'{"architectures": ["BertModel"], "model_type": "bert", "hidden_size": 8}')
    pack.tar(member("./docs", 0, type=tarfile.DIRTYPE), member("./docs/a.txt"))
    pack.tar(member("docs/b.txt"), packed=True)
    found = import_model(store, pack.done())
    assert found.record.model == "theirs"
    assert set(digests("theirs")) == {
        *("config.json", "docs/a.txt", "docs/b.txt", "manifest.json", "model.safetensors")
    }
    assert store.show("theirs").manifest.spec.format == "transformers"


@pytest.mark.parametrize("path", ["../up", "/etc/x", "a/../../b", "", "a\\b", "x" * 300, "twice", "twice/inside"])
def test_paths_that_lead_out_or_come_twice_are_refused(store: Store, pack: Pack, path: str) -> None:
    pack.raw("twice", b"1")
    pack.raw(path, b"2")
    with pytest.raises(MalformedInput):
        import_model(store, pack.done())
    assert not store.models()


@pytest.mark.parametrize(
    "bad",
    [
        member("link", 0, type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        member("hard", 0, type=tarfile.LNKTYPE, linkname="first"),
        member("device", 0, type=tarfile.CHRTYPE),
        member("pipe", 0, type=tarfile.FIFOTYPE),
        member("../out"),
        member("/abs"),
        member("first"),
    ],
    ids=lambda bad: bad.name,
)
def test_members_that_are_no_plain_files_are_refused(store: Store, pack: Pack, bad: tarfile.TarInfo) -> None:
    pack.tar(member("first"), bad)
    with pytest.raises(MalformedInput):
        import_model(store, pack.done())


def test_a_bomb_is_refused_before_it_fills_the_disk(store: Store, pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pumice.exchanges.oci.layers._NO_BOMB_BYTES", 1 << 20)
    pack.tar(member("zeros", 8 << 20), packed=True)
    with pytest.raises(MalformedInput, match="far more than it is"):
        import_model(store, pack.done())


def lie(key: str, value: object, layer: int | None = 0) -> Change:
    def change(manifest: dict[str, Any]) -> None:
        (manifest if layer is None else manifest["layers"][layer])[key] = value

    return change


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lie("size", 3), Tampered),
        (lie("size", 10**15), Tampered),
        (lie("size", -1), MalformedInput),
        (lie("size", "4"), MalformedInput),
        (lie("digest", "sha256:" + "0" * 64), Tampered),
        (lie("digest", "sha256:../../../etc/passwd"), MalformedInput),
        (lie("digest", "sha512:" + "0" * 128), Unsupported),
        (lie("mediaType", "application/vnd.oci.image.layer.v1.tar"), Unsupported),
        (lie("mediaType", f"{WEIGHT}.tar+zstd"), Unsupported),
        (lie("annotations", {}), MalformedInput),
        (lie("layers", [], None), MalformedInput),
        (lie("schemaVersion", 1, None), MalformedInput),
        (lie("mediaType", "text/plain", None), MalformedInput),
        (lie("artifactType", "application/vnd.unknown", None), BadArtefact),
        (lie("config", {"mediaType": "x", "digest": "sha256:" + "0" * 64, "size": 2}, None), Tampered),
    ],
)
def test_descriptors_that_lie_are_refused(store: Store, pack: Pack, change: Change, error: type[PumiceError]) -> None:
    pack.raw("model.safetensors", b"1234")
    with pytest.raises(error):
        import_model(store, pack.done(change))
    assert not store.models()


def test_a_changed_blob_is_found_wherever_it_is(store: Store, layout: Path) -> None:
    count = 0
    for blob in sorted((layout / "blobs" / "sha256").iterdir()):
        data = bytearray(blob.read_bytes())
        if not data or data == b"{}":  # the configuration of an attachment is empty and never read
            continue
        count += 1
        data[len(data) // 2] ^= 1
        original = blob.read_bytes()
        blob.write_bytes(data)
        with pytest.raises(Tampered):
            import_model(store, f"oci:{layout}", "bad")
        blob.write_bytes(original)
    assert count == 11
    assert [one.model for one in store.models()] == ["m"]


def test_links_in_a_layout_are_not_followed(store: Store, layout: Path, tmp_path: Path) -> None:
    folder = layout / "blobs" / "sha256"
    shutil.move(folder, tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(MalformedInput, match="a link"):
        import_model(store, f"oci:{layout}", "bad")


def test_a_tar_with_a_name_twice_or_a_link_is_refused(store: Store, layout: Path, tmp_path: Path) -> None:
    link: dict[str, Any] = {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}
    more: dict[str, Any]
    for name, more in (("index.json", {}), ("link", link), ("../x", {})):
        place = tmp_path / "layout.tar"
        with tarfile.open(place, "w") as archive:
            archive.add(layout, ".")
            archive.addfile(member(name, **more), io.BytesIO(b"1234"))
        with pytest.raises(MalformedInput):
            import_model(store, f"oci:{place}", "bad")


def test_code_and_pickles_do_not_come_in(store: Store, pack: Pack) -> None:
    pack.raw("manifest.json", b'{"model": "os:system"}')
    with pytest.raises(UnsafeArtefact, match="code of its own"):
        import_model(store, pack.done())


def test_one_of_several_is_named_by_its_tag(store: Store, pack: Pack) -> None:
    pack.raw("a.txt", b"1")
    source = pack.done()
    index = json.loads((pack.place / "index.json").read_text())
    (entry,) = index["manifests"]
    tagged = [entry | {"annotations": {"org.opencontainers.image.ref.name": "a"}}]
    (pack.place / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": tagged}))
    with pytest.raises(BadArtefact, match="it has: a"):
        import_model(store, f"{source}:b")
    assert import_model(store, f"{source}:a").origin["tag"] == "a"
    (pack.place / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": []}))
    with pytest.raises(BadArtefact, match="0 models"):
        import_model(store, source)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_change_of_a_document_is_refused_or_harmless(
    store: Store, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Whatever stands in a document: a typed error, or a version whose files are those of the layers."""
    place = tmp_path_factory.mktemp("any")
    pack = Pack(place / "pack")
    pack.raw("model.safetensors", b"1234")
    json_values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=9), lambda inner: st.lists(inner, max_size=2)
    )
    key = data.draw(st.sampled_from(["mediaType", "digest", "size", "annotations", "layers", "config", "subject"]))
    change = lie(key, data.draw(json_values), data.draw(st.sampled_from([None, 0])))
    source = pack.done(change)
    if data.draw(st.booleans()):
        name = data.draw(st.sampled_from(["index.json", "oci-layout"]))
        (pack.place / name).write_text(data.draw(st.text(max_size=40)))
    try:
        record = import_model(store, source, "any").record
    except PumiceError:
        return
    assert record.files == 1


@pytest.mark.parametrize("form", ["hf", "oci"])
def test_a_signature_from_elsewhere_is_checked_and_kept_beside_ours(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    save_file({"w": np.ones(3, np.float32)}, theirs / "model.safetensors")
    (theirs / "config.json").write_text('{"model_type": "bert", "architectures": ["BertModel"], "hidden_size": 3}')
    with Store(tmp_path / "elsewhere") as elsewhere:
        elsewhere.push(theirs, "m")
        if form == "oci":
            export_model(elsewhere, "m", f"oci:{tmp_path / 'out'}")
        else:
            elsewhere.pull("m", tmp_path / "out")
    with pytest.raises(Untrusted, match="pumice models trust"):
        import_model(store, f"{form}:{tmp_path / 'out'}", "m")
    monkeypatch.setenv("PUMICE_SIGNATURES", "warn")
    with Store(tmp_path / "home") as warned:
        import_model(warned, f"{form}:{tmp_path / 'out'}", "m")
        shown = warned.show("m")
    assert len({line.key for line in shown.signed}) == 2
    assert [file.path for file in shown.manifest.files] == ["config.json", "model.safetensors"]
    if form == "hf":  # what is known goes beside the files, not among them
        assert shown.manifest.spec.format == "transformers"
