"""Python models: how they are found, what is made of what they answer, and what is wrong with some."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import pumice
from pumice.domain.errors import BadArtefact, BadSetting, MissingDependency
from pumice.domain.model import Manifest
from pumice.domain.signature import Signature, Tensor
from pumice.engines.base import EngineConfig
from pumice.engines.python import Model, PythonEngine
from tests.engines.arrays import texts


def load(name: str, path: str = "", manifest: Manifest | None = None) -> PythonEngine:
    return PythonEngine(EngineConfig(source=f"tests.engines.models:{name}", path=path, manifest=manifest or Manifest()))


def test_the_public_name_is_the_base_class() -> None:
    assert pumice.Model is Model


def test_the_class_says_what_it_is() -> None:
    traits = load("Talker").traits
    assert (traits.batchable, traits.deterministic, traits.idempotent) == (False, False, False)
    scale = load("Scale")
    assert scale.traits.max_batch_size == 8
    assert scale.traits.batchable is None
    assert scale.traits.placement == {"class": "tests.engines.models:Scale"}
    assert scale.warm_inputs() is not None
    assert load("Stranger").warm_inputs() is None


def test_a_default_of_the_models_own_is_no_place_for_parameters() -> None:
    rows = np.ones((1, 4), np.float32)
    assert load("Stranger").run({"x": rows}, {"factor": 9})["y"].tolist() == [[2, 2, 2, 2]]
    assert load("Scale").run({"x": rows}, {"factor": 9})["y"].tolist() == [[9, 9, 9, 9]]


@pytest.mark.parametrize("way", ["text", "bytes", "objects", "list"])
def test_text_goes_out_as_bytes_however_the_model_holds_it(way: str) -> None:
    answer = load("Talker").run({"x": texts("很好", "")}, {"as": way})["y"]
    assert answer.dtype == object
    assert answer.tolist() == ["很好".encode(), b""]


@pytest.mark.parametrize("whole", [True, False])
def test_a_model_loads_its_artefacts_and_closes_once(tmp_path: Path, whole: bool) -> None:
    file = tmp_path / "weight.txt"
    file.write_text("3", encoding="utf-8")
    engine = load("Weights", str(tmp_path if whole else file))
    assert engine.run({"x": np.ones((1, 4), np.float32)}, {})["y"].tolist() == [[3, 3, 3, 3]]
    engine.close()
    engine.close()
    assert engine._model.closed == 1  # type: ignore[attr-defined]


def test_the_manifests_signature_wins() -> None:
    said = Signature(inputs=[Tensor("x", "FP32", [-1, 4])], outputs=[Tensor("x", "FP32", [-1, 4])])
    assert load("NoSignature", manifest=Manifest(signature=said)).signature == said


def test_a_module_beside_the_artefacts_is_found_but_takes_no_ones_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    (tmp_path / "its_own_module.py").write_text("from tests.engines.models import Stranger as Mine\n", encoding="utf-8")
    (tmp_path / "numpy.py").write_text("raise RuntimeError('not this one')\n", encoding="utf-8")
    manifest = Manifest(format="python", model="its_own_module:Mine")
    engine = PythonEngine(EngineConfig(source=str(tmp_path), path=str(tmp_path), manifest=manifest))
    assert engine.traits.placement == {"class": "its_own_module:Mine"}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Absent", "no class 'Absent'"),
        ("NOT_A_CLASS", "is no class"),
        ("NoSignature", "no signature"),
        ("OddSignature", "its signature is a dict"),
        ("NoPredict", "no method 'predict'"),
        ("Asynchronous", "asynchronous"),
        ("TooMany", "its predict takes"),
    ],
)
def test_what_is_wrong_with_a_class_is_said(name: str, words: str) -> None:
    with pytest.raises(BadArtefact, match=words):
        load(name)


def test_a_module_that_is_not_there() -> None:
    with pytest.raises(BadArtefact, match="no module 'nowhere'"):
        PythonEngine(EngineConfig(source="nowhere:Model", path="", manifest=Manifest()))
    with pytest.raises(BadArtefact, match="give module:Class"):
        PythonEngine(EngineConfig(source="nowhere", path="", manifest=Manifest()))


def test_a_module_that_lacks_a_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "needs_something.py").write_text("import a_library_that_is_not_there\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(MissingDependency, match="pip install a_library_that_is_not_there"):
        PythonEngine(EngineConfig(source="needs_something:Model", path="", manifest=Manifest()))


def test_options_are_refused() -> None:
    with pytest.raises(BadSetting, match="has no options"):
        load("Scale", manifest=Manifest(options={"speed": 2}))


def test_an_answer_that_is_no_dict() -> None:
    with pytest.raises(TypeError, match="must be a dict"):
        load("NotADict").run({"x": np.ones((1, 4), np.float32)}, {})
