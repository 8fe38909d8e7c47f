"""The INT8 pass on the bundled model."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest

from pumice.cli.demo.optimizing import BUNDLED
from pumice.domain.errors import BadArtefact, UnsafeArtefact
from pumice.domain.model import Manifest
from pumice.optimize.loaded import Measured
from pumice.optimize.passes.base import ModelFolder
from pumice.optimize.passes.int8_dynamic import Int8Dynamic
from tests.engines.graphs import mlp
from tests.support.disguises import DISGUISES

TEXTS = ["这家酒店很干净", "太差了，再也不来", "书很好看", "电池一天就坏了"] * 8


def test_the_lighter_model_is_a_whole_model(tmp_path: Path) -> None:
    base = ModelFolder.read(BUNDLED)
    lighter = Int8Dynamic().apply(base, tmp_path / "int8")
    assert lighter.size_bytes < base.size_bytes / 2
    assert ModelFolder.read(lighter.path) == lighter
    assert lighter.manifest == msgspec.structs.replace(base.manifest, metrics={})
    texts = {"text": np.array([text.encode() for text in TEXTS], dtype=object)}
    models = Measured(base, threads=1), Measured(lighter, threads=1)
    base_labels, labels = (model.run(texts)["label"] for model in models)
    assert len(set(base_labels)) == 2
    assert (labels == base_labels).mean() >= 0.9


def test_a_format_that_it_cannot_take_is_refused(tmp_path: Path) -> None:
    base = ModelFolder.read(BUNDLED)
    other = ModelFolder(base.path, msgspec.structs.replace(base.manifest, format="python"))
    with pytest.raises(BadArtefact, match="'int8-dynamic' takes onnx"):
        Int8Dynamic().apply(other, tmp_path / "int8")
    assert not (tmp_path / "int8").exists()


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadArtefact, match=r"manifest\.json"):
        ModelFolder.read(tmp_path)
    (tmp_path / "manifest.json").write_text('{"format": "onnx", "model": "gone.onnx"}', encoding="utf-8")
    with pytest.raises(BadArtefact, match=r"gone\.onnx"):
        ModelFolder.read(tmp_path)


def test_weights_beside_the_file_are_taken_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    mlp(tmp_path / "whole.onnx")
    made = onnx.load(tmp_path / "whole.onnx")
    onnx.save(made, folder / "model.onnx", save_as_external_data=True, location="weights", size_threshold=0)
    base = ModelFolder(folder, Manifest(format="onnx", model="model.onnx"))
    assert base.size_bytes == sum(file.stat().st_size for file in folder.iterdir())
    lighter = Int8Dynamic().apply(base, tmp_path / "int8")
    assert sorted(file.name for file in lighter.path.iterdir()) == ["manifest.json", "model.onnx"]
    whole = ModelFolder(tmp_path, Manifest(format="onnx", model="whole.onnx"))
    twin = Int8Dynamic().apply(whole, tmp_path / "twin")
    rows = {"x": np.random.default_rng(3).normal(size=(5, 16)).astype(np.float32)}
    one, other = (Measured(model, threads=1).run(rows)["y"] for model in (lighter, twin))
    np.testing.assert_array_equal(one, other)
    monkeypatch.setattr(onnx.checker, "MAXIMUM_PROTOBUF", 100)
    with pytest.raises(BadArtefact, match=r"its weights take [\d,]+ bytes.*at most 100"):
        Int8Dynamic().apply(base, tmp_path / "large")


def test_weights_outside_of_the_folder_are_not_read(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    mlp(folder / "whole.onnx")
    made = onnx.load(folder / "whole.onnx")
    onnx.save(made, folder / "model.onnx", save_as_external_data=True, location="weights", size_threshold=0)
    base = ModelFolder(folder, Manifest(format="onnx", model="model.onnx"))
    (folder / "weights").rename(tmp_path / "secret")
    (folder / "weights").symlink_to(tmp_path / "secret")
    with pytest.raises(BadArtefact, match="weights"):
        Int8Dynamic().apply(base, tmp_path / "stolen")
    assert not (tmp_path / "stolen").exists()


def test_a_file_that_may_run_code_is_not_opened(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(DISGUISES["torch.save"](tmp_path / "marker"))
    with pytest.raises(UnsafeArtefact):
        Int8Dynamic().apply(ModelFolder(folder, Manifest(format="onnx", model="model.onnx")), tmp_path / "out")
    assert not (tmp_path / "marker").exists()
