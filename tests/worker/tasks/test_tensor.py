"""The task `tensor`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pumice.domain.errors import BadOutput, BadSetting
from pumice.domain.model import Manifest
from pumice.domain.signature import Signature, Tensor
from pumice.engines.base import EngineConfig
from pumice.engines.python import PythonEngine
from pumice.runtime.worker.tasks import Pipeline, pipeline_for
from tests.engines.graphs import mlp, node, save, tensor
from tests.worker.tasks.files import pipeline


def python(name: str, manifest: Manifest | None = None) -> Pipeline:
    config = EngineConfig(source=f"tests.engines.models:{name}", path="", manifest=manifest or Manifest(), name="m")
    return pipeline_for(PythonEngine(config), config)


def test_tensors_pass_through(tmp_path: Path) -> None:
    made = pipeline(mlp(tmp_path / "m.onnx"))
    assert made.batchable
    assert [t.name for t in made.signature.inputs] == ["x"]
    assert made.run({"x": np.ones((5, 16), np.float32)}, {})["y"].shape == (5, 4)


def test_warm_inputs_are_the_models_or_zeros(tmp_path: Path) -> None:
    assert python("Scale").warm_inputs()["x"].tolist() == [[1, 1, 1, 1]]
    assert pipeline(mlp(tmp_path / "m.onnx")).warm_inputs()["x"].tolist() == [[0] * 16]
    path = save(
        tmp_path / "free.onnx",
        [node("Identity", ["x"], ["y"]), node("Identity", ["t"], ["u"])],
        [tensor("x", "INT32", ["n", "m"]), tensor("t", "BYTES", ["n", 2])],
        [tensor("y", "INT32", ["n", "m"]), tensor("u", "BYTES", ["n", 2])],
    )
    made = pipeline(path)
    warm = made.warm_inputs()
    assert warm["x"].shape == (1, 16)
    assert warm["t"].tolist() == [[b"", b""]]
    made.run(warm, {})


@pytest.mark.parametrize(
    ("name", "said", "batchable"), [("Scale", None, True), ("Talker", None, False), ("Scale", False, False)]
)
def test_rows_are_joined_where_all_agree(name: str, said: bool | None, batchable: bool) -> None:
    assert python(name, Manifest(batchable=said)).batchable is batchable


def test_a_manifest_may_overrule_a_model_but_not_its_shapes() -> None:
    assert python("Talker", Manifest(batchable=True)).batchable
    with pytest.raises(BadSetting, match=r"these are not: 'a' \[\]"):
        python("Sum", Manifest(batchable=True))


def test_what_the_signature_does_not_allow_is_the_models_fault() -> None:
    lie = Signature(inputs=[Tensor("x", "FP32", [-1, 4])], outputs=[Tensor("y", "FP32", [-1, 3])])
    with pytest.raises(BadOutput, match="output 'y' of model 'm'"):
        python("Scale", Manifest(signature=lie)).run({"x": np.ones((1, 4), np.float32)}, {})


def test_rows_must_stay_rows(tmp_path: Path) -> None:
    nodes = [node("Cast", ["x"], ["flags"], to=9), node("Compress", ["x", "flags"], ["y"])]
    path = save(tmp_path / "m.onnx", nodes, [tensor("x", "FP32", ["n"])], [tensor("y", "FP32", ["n"])])
    made = pipeline(path)
    with pytest.raises(BadOutput, match="gave 1 rows for 2 rows"):
        made.run({"x": np.array([0, 1], np.float32)}, {})
    assert pipeline(path, batchable=False).run({"x": np.array([0, 1], np.float32)}, {})["y"].tolist() == [1]
