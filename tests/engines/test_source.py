"""What a SOURCE names."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

from pumice.domain.errors import BadArtefact, BadSetting, UnsafeArtefact
from pumice.engines.source import resolve_source


def touch(file: Path, content: bytes = b"\x08\x0a") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


def describe(file: Path, **keys: object) -> Path:
    file.write_text(json.dumps(keys), encoding="utf-8")
    return file


def test_a_folder_names_its_files_in_its_manifest(tmp_path: Path) -> None:
    model = touch(tmp_path / "graph.onnx")
    touch(tmp_path / "other.onnx")
    touch(tmp_path / "tokens.json")
    describe(
        tmp_path / "manifest.json",
        model="graph.onnx",
        tokenizer="tokens.json",
        task="text-classification",
        labels=["a"],
    )
    path, manifest = resolve_source(str(tmp_path), {"labels": ["no", "yes"]})
    assert path == model
    assert manifest.format == "onnx"
    assert manifest.tokenizer == str(tmp_path / "tokens.json")
    assert manifest.task == "text-classification"
    assert manifest.labels == ["no", "yes"]


def test_a_folder_without_manifest_may_hold_one_model(tmp_path: Path) -> None:
    model = touch(tmp_path / "graph.onnx")
    touch(tmp_path / "README.md")
    assert resolve_source(str(tmp_path))[0] == model
    touch(tmp_path / "second.onnx")
    with pytest.raises(BadArtefact, match=r"2 model files \(graph.onnx, second.onnx\)"):
        resolve_source(str(tmp_path))


def test_a_manifest_need_not_name_the_only_model(tmp_path: Path) -> None:
    touch(tmp_path / "graph.onnx")
    describe(tmp_path / "manifest.json", description="mine")
    assert resolve_source(str(tmp_path))[1].description == "mine"
    touch(tmp_path / "second.onnx")
    with pytest.raises(BadArtefact, match="add the key 'model'"):
        resolve_source(str(tmp_path))


def test_a_file_may_have_a_manifest_beside_it(tmp_path: Path) -> None:
    model = touch(tmp_path / "graph.onnx")
    assert resolve_source(str(model))[1].max_length == 512
    describe(tmp_path / "graph.manifest.json", max_length=64)
    path, manifest = resolve_source(str(model), {"clean": "off"})
    assert (path, manifest.max_length, manifest.clean) == (model, 64, "off")
    touch(tmp_path / "other.onnx")
    describe(tmp_path / "graph.manifest.json", model="other.onnx")
    with pytest.raises(BadArtefact, match=r"the manifest beside it is of 'other\.onnx'"):
        resolve_source(str(model))


def test_a_relative_path_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "graph.onnx")
    monkeypatch.chdir(tmp_path)
    assert resolve_source("graph.onnx")[0] == tmp_path / "graph.onnx"


def test_a_class_needs_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, manifest = resolve_source("somewhere.models:Doubler")
    assert (path, manifest.format) == (None, "python")
    touch(tmp_path / "weights.bin", b"1")
    monkeypatch.chdir(tmp_path)
    assert resolve_source("models:Doubler", {"model": "weights.bin"})[0] == tmp_path / "weights.bin"
    with pytest.raises(BadArtefact, match="mend 'model' of the manifest"):
        resolve_source("models:Doubler", {"model": "absent.bin"})


def test_a_folder_may_be_the_artefacts_of_a_class(tmp_path: Path) -> None:
    describe(tmp_path / "manifest.json", model="models:Doubler")
    path, manifest = resolve_source(str(tmp_path))
    assert (path, manifest.format, manifest.model) == (tmp_path, "python", "models:Doubler")


@pytest.mark.parametrize("source", ["absent.onnx", "absent/", "https://host/model", "a b:C"])
def test_what_is_not_there(source: str) -> None:
    with pytest.raises(BadArtefact, match="no such file or folder"):
        resolve_source(source)


@pytest.mark.parametrize(
    "name", ["model.pkl", "model.PT", "model.pth", "pytorch_model.bin", "model.joblib", "model.ckpt"]
)
def test_pickles_are_refused_by_name(tmp_path: Path, name: str) -> None:
    touch(tmp_path / name, b"anything")
    for source in (tmp_path / name, tmp_path):
        with pytest.raises(UnsafeArtefact, match=r"pickle.*convert it"):
            resolve_source(str(source))


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_are_refused_by_content(tmp_path: Path, protocol: int) -> None:
    file = touch(tmp_path / "model.onnx", pickle.dumps({"weights": [1]}, protocol))
    with pytest.raises(UnsafeArtefact, match="pickle"):
        resolve_source(str(file))


@pytest.mark.parametrize("name", ["../secret.onnx", "/etc/hostname", "link.onnx", "inner/../../secret.onnx"])
@pytest.mark.parametrize("key", ["model", "tokenizer"])
def test_a_manifest_cannot_lead_out_of_its_folder(tmp_path: Path, key: str, name: str) -> None:
    folder = tmp_path / "folder"
    touch(folder / "graph.onnx")
    (folder / "inner").mkdir()
    secret = touch(tmp_path / "secret.onnx")
    (folder / "link.onnx").symlink_to(secret)
    describe(folder / "manifest.json", **({"model": "graph.onnx"} | {key: name}))
    with pytest.raises(BadArtefact, match=f"'{key}' leads out of the folder"):
        resolve_source(str(folder))


def test_the_user_may_point_anywhere(tmp_path: Path) -> None:
    touch(tmp_path / "folder" / "graph.onnx")
    tokenizer = touch(tmp_path / "elsewhere" / "tokens.json")
    _, manifest = resolve_source(str(tmp_path / "folder"), {"tokenizer": str(tokenizer)})
    assert manifest.tokenizer == str(tokenizer)


def test_a_file_that_the_manifest_names_must_be_there(tmp_path: Path) -> None:
    touch(tmp_path / "graph.onnx")
    describe(tmp_path / "manifest.json", model="graph.onnx", tokenizer="absent.json")
    with pytest.raises(BadArtefact, match="mend 'tokenizer'"):
        resolve_source(str(tmp_path))


@pytest.mark.parametrize("content", [b"{", b"[1]", b"\xff"])
def test_a_manifest_that_is_no_object(tmp_path: Path, content: bytes) -> None:
    touch(tmp_path / "graph.onnx")
    touch(tmp_path / "manifest.json", content)
    with pytest.raises(BadArtefact, match=r"manifest\.json"):
        resolve_source(str(tmp_path))


def test_unknown_keys_and_engines_are_named(tmp_path: Path) -> None:
    model = touch(tmp_path / "graph.onnx")
    with pytest.raises(BadSetting, match="lables"):
        resolve_source(str(model), {"lables": []})
    with pytest.raises(BadSetting, match=r"'onxx'; allowed the installed engines \(.*onnx, .*python"):
        resolve_source(str(model), {"format": "onxx"})
    strange = touch(tmp_path / "model.xyz")
    with pytest.raises(BadArtefact, match=r"no installed engine takes it.*onnx \(.onnx, .ort\)"):
        resolve_source(str(strange))


def test_a_folder_without_any_model(tmp_path: Path) -> None:
    touch(tmp_path / "readme.txt")
    with pytest.raises(BadArtefact, match=r"has no manifest\.json and no model file"):
        resolve_source(str(tmp_path))
