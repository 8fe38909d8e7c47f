"""Weights in memory files: ONNX Runtime reads them where they lie, and what it computes is the same."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import GraphProto, TensorProto, helper, numpy_helper

from pumice.domain.errors import BadArtefact
from pumice.domain.model import Manifest
from pumice.engines.base import EngineConfig
from pumice.engines.onnx import OnnxEngine
from tests.engines.graphs import node, tensor

ROWS, WIDTH = 300, 64
RANDOM = np.random.default_rng(3)
TABLE = RANDOM.normal(size=(ROWS, WIDTH)).astype(np.float32)
MATRIX = RANDOM.normal(size=(ROWS, WIDTH)).astype(np.float32)
BIAS = RANDOM.normal(size=(ROWS,)).astype(np.float32)


def graph(folder: Path, nodes: list[onnx.NodeProto]) -> Path:
    """A graph of ids whose weights lie in two files: a large table, a large matrix to be turned, a small bias."""
    weights = {"table": ("a.data", TABLE), "matrix": ("inner/b.data", MATRIX), "bias": ("inner/b.data", BIAS)}
    (folder / "inner").mkdir(parents=True)
    made = []
    for name, (location, array) in weights.items():
        with (folder / location).open("ab") as file:
            offset = file.tell()
            file.write(array.tobytes())
        weight = TensorProto(
            name=name, data_type=TensorProto.FLOAT, dims=array.shape, data_location=TensorProto.EXTERNAL
        )
        entries = {"location": location, "offset": str(offset), "length": str(array.nbytes)}
        for key, value in entries.items():
            weight.external_data.add(key=key, value=value)
        made.append(weight)
    whole = GraphProto(
        name="graph",
        node=nodes,
        input=[tensor("ids", "INT64", ["batch"])],
        output=[tensor("y", "FP32", ["batch", ROWS])],
        initializer=[*made, numpy_helper.from_array(np.array(2, np.float32), "two")],
    )
    model = helper.make_model(whole, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    (folder / "m.onnx").write_bytes(model.SerializeToString())
    return folder / "m.onnx"


TURNED_LATE = [
    node("Gather", ["table", "ids"], ["rows"]),
    node("Mul", ["rows", "two"], ["scaled"]),
    node("Transpose", ["scaled"], ["turned"]),
    node("MatMul", ["matrix", "turned"], ["product"]),
    node("Transpose", ["product"], ["back"]),
    node("Add", ["back", "bias"], ["y"]),
]
TURNED_BEFORE = [
    node("Transpose", ["matrix"], ["turned"]),  # an optimizer computes it, and needs the weight for that
    node("Gather", ["table", "ids"], ["rows"]),
    node("Mul", ["rows", "two"], ["scaled"]),
    node("MatMul", ["scaled", "turned"], ["product"]),
    node("Add", ["product", "bias"], ["y"]),
]
IDS = np.array([7, 0, 299], np.int64)


def held(file: Path, into: Path) -> tuple[EngineConfig, dict[str, int]]:
    """The same model as a replica has it: links to memory. The descriptors can still write, so that a test can see."""
    fds = {}
    for part in (part for part in file.parent.rglob("*") if part.is_file()):
        name = part.relative_to(file.parent).as_posix()
        fds[name] = os.memfd_create("test")
        os.write(fds[name], part.read_bytes())
        (into / name).parent.mkdir(parents=True, exist_ok=True)
        (into / name).symlink_to(f"/proc/self/fd/{fds[name]}")
    return EngineConfig("m", str(into / file.name), Manifest(), provider="cpu", held=True), fds


def run(engine: OnnxEngine) -> np.ndarray:
    return engine.run({"ids": IDS}, {})["y"]


@pytest.mark.parametrize(("nodes", "shared"), [(TURNED_LATE, True), (TURNED_BEFORE, False)])
def test_large_weights_are_shared_unless_an_optimizer_computes_with_them(
    tmp_path: Path, nodes: list[onnx.NodeProto], *, shared: bool
) -> None:
    file = graph(tmp_path / "plain", nodes)
    expected = run(OnnxEngine(EngineConfig("m", str(file), Manifest(), provider="cpu")))
    assert np.allclose(expected, 2 * TABLE[IDS] @ MATRIX.T + BIAS, atol=1e-3)
    config, fds = held(file, tmp_path / "held")
    engine = OnnxEngine(config)
    assert np.array_equal(run(engine), expected)
    os.pwrite(fds["a.data"], bytes(TABLE.nbytes), 0)  # the table is now zeros
    after = run(engine)
    assert np.array_equal(after, np.tile(BIAS, (3, 1)) if shared else expected)
    engine.close()
    for fd in fds.values():
        os.close(fd)


def test_what_fits_nowhere_is_refused_as_from_a_folder(tmp_path: Path) -> None:
    file = graph(tmp_path / "plain", TURNED_LATE)
    model = onnx.load(file, load_external_data=False)
    model.graph.initializer[0].external_data[2].value = str(TABLE.nbytes - 4)
    file.write_bytes(model.SerializeToString())
    config, fds = held(file, tmp_path / "held")
    with pytest.raises(BadArtefact, match="ONNX Runtime cannot load it"):
        OnnxEngine(config)
    for fd in fds.values():
        os.close(fd)
