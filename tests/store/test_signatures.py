"""The signature of a version is that of its file, read without loading it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import skops.io
import torch
from onnx import TensorProto, helper
from sklearn.linear_model import LogisticRegression

from pumice import Store
from pumice.domain.errors import BadArtefact
from pumice.domain.model import Manifest
from pumice.domain.signature import Signature, Tensor
from pumice.engines.base import EngineConfig
from pumice.engines.onnx import OnnxEngine
from pumice.engines.torch import TorchEngine
from tests.engines.graphs import ONNX_TYPES, constant, copies, mlp, node, save, tensor
from tests.engines.programs import BATCH, Mlp, export


def loaded(engine: type[OnnxEngine | TorchEngine], path: Path) -> Signature:
    return engine(EngineConfig(source=str(path), path=str(path), manifest=Manifest())).signature


def graphs(folder: Path) -> list[Path]:
    """Graphs of every kind of end: types, free and fixed axes, a scalar, an input with a value in the file."""
    spare = [tensor("x", "FP32", [2, 4]), tensor("w", "FP32", [4])]
    return [
        mlp(folder / "mlp.onnx"),
        constant(folder / "constant", 1),
        copies(folder / "copies.onnx", list(ONNX_TYPES)),
        save(
            folder / "scalar.onnx",
            [node("Identity", ["x"], ["y"])],
            [tensor("x", "FP64", [])],
            [tensor("y", "FP64", [])],
        ),
        save(
            folder / "spare.onnx",
            [node("Add", ["x", "w"], ["y"])],
            spare,
            [tensor("y", "FP32", [2, 4])],
            {"w": np.ones(4, np.float32)},
        ),
    ]


def test_an_onnx_file_tells_what_onnx_runtime_finds(tmp_path: Path) -> None:
    for path in graphs(tmp_path):
        assert OnnxEngine.peek(path) == loaded(OnnxEngine, path), path.name


def test_large_weights_are_passed_over(tmp_path: Path) -> None:
    path = save(
        tmp_path / "large.onnx",
        [node("MatMul", ["x", "w"], ["y"])],
        [tensor("x", "FP32", ["batch", 2000])],
        [tensor("y", "FP32", ["batch", 2000])],
        {"w": np.zeros((2000, 2000), np.float32)},
    )
    assert OnnxEngine.peek(path) == Signature(
        inputs=[Tensor("x", "FP32", [-1, 2000])], outputs=[Tensor("y", "FP32", [-1, 2000])]
    )


def test_a_program_tells_what_torch_finds(tmp_path: Path) -> None:
    class Many(torch.nn.Module):
        def forward(self, x: torch.Tensor, y: torch.Tensor) -> dict[str, object]:
            return {"sum": x + y, "parts": (x, y.bool()), "half": x.bfloat16()}

    arguments = (torch.zeros(2, 3), torch.zeros(2, 3, dtype=torch.int32))
    for path in (
        export(tmp_path / "mlp.pt2", Mlp(), (torch.zeros(2, 16),), ({0: BATCH},)),
        export(tmp_path / "many.pt2", Many(), arguments, ({0: BATCH}, {0: BATCH})),
    ):
        assert TorchEngine.peek(path) == loaded(TorchEngine, path), path.name


def test_what_is_no_such_file_has_no_signature(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    for content in (b"", b"\x08\x08", b"\x3a\x05\x5a", b"\xff" * 40):
        file.write_bytes(content)
        with pytest.raises(BadArtefact, match="no ONNX file"):
            OnnxEngine.peek(file)
        assert TorchEngine.peek(file) is None


def test_show_and_diff_tell_signatures_truly(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    store.push(mlp(path), "m")
    store.push(mlp(path, (16, 8, 5)), "m")
    assert store.show("m@1").manifest.tensors == {"input x": "FP32 [-1, 16]", "output y": "FP32 [-1, 4]"}
    changed = store.diff("m@1", "m@2").spec
    assert {key: (change.before, change.after) for key, change in changed.items()} == {
        "output y": ("FP32 [-1, 4]", "FP32 [-1, 5]")
    }


def test_what_the_manifest_says_comes_first_and_what_cannot_be_served_is_stored(store: Store, tmp_path: Path) -> None:
    path = mlp(tmp_path / "net.onnx")
    (tmp_path / "net.manifest.json").write_text(
        '{"signature": {"inputs": [{"name": "x", "datatype": "FP32", "shape": [8, 16]}], "outputs": []}}'
    )
    store.push(path, "m")
    assert store.show("m").manifest.tensors == {"input x": "FP32 [8, 16]"}
    sequence = helper.make_tensor_sequence_value_info("s", TensorProto.FLOAT, None)
    graph = helper.make_graph([node("SequenceConstruct", ["x"], ["s"])], "g", [tensor("x", "FP32", [2])], [sequence])
    onnx.save(helper.make_model(graph), tmp_path / "other.onnx")
    store.push(tmp_path / "other.onnx", "m")
    assert store.show("m").manifest.signature is None


def test_an_estimator_is_loaded_for_it(store: Store, tmp_path: Path) -> None:
    rows = np.random.default_rng(7).normal(size=(20, 3))
    skops.io.dump(LogisticRegression().fit(rows, rows[:, 0] > 0), tmp_path / "model.skops")
    store.push(tmp_path / "model.skops", "m")
    assert store.show("m").manifest.tensors == {
        "input x": "FP64 [-1, 3]",
        "output label": "BOOL [-1]",
        "output probabilities": "FP64 [-1, 2]",
    }
