"""Weights outside of the ONNX file: those of its folder, and no others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import AttributeProto, FunctionProto, GraphProto, ModelProto, SparseTensorProto, TensorProto, helper

from pumice.domain.errors import BadArtefact, BadSetting
from pumice.domain.model import Trust
from pumice.engines.onnx import OnnxEngine
from pumice.engines.safety import check_external_data
from tests.engines.graphs import config_of, mlp, node, tensor


def outside(location: str, **more: str) -> TensorProto:
    """Four numbers that lie in another file."""
    made = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, **more}.items():
        made.external_data.add(key=key, value=value)
    return made


def adding(weights: TensorProto) -> GraphProto:
    return helper.make_graph(
        [node("Add", ["x", "w"], ["y"])],
        "graph",
        [tensor("x", "FP32", ["batch", 4])],
        [tensor("y", "FP32", ["batch", 4])],
        [weights],
    )


def model(graph: GraphProto) -> ModelProto:
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def write(file: Path, made: ModelProto) -> Path:
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(made.SerializeToString())
    return file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_bytes(np.arange(4, dtype=np.float32).tobytes())
    (tmp_path / "model" / "inner").mkdir(parents=True)
    (tmp_path / "model" / "inner" / "weights").write_bytes(np.arange(4, dtype=np.float32).tobytes())
    (tmp_path / "model" / "link").symlink_to(tmp_path / "secret")
    (tmp_path / "model" / "inner-link").symlink_to(tmp_path / "model" / "inner" / "weights")
    return tmp_path / "model"


@pytest.mark.parametrize("location", ["inner/weights", "inner-link", "./inner/weights"])
def test_weights_of_the_folder_are_read(folder: Path, location: str) -> None:
    engine = OnnxEngine(config_of(write(folder / "m.onnx", model(adding(outside(location))))))
    given = engine.run({"x": np.ones((2, 4), np.float32)}, {})["y"]
    assert given.tolist() == [[1, 2, 3, 4]] * 2


@pytest.mark.parametrize(
    ("location", "problem"),
    [
        ("../secret", "leads out of the model's folder"),
        ("inner/../../secret", "leads out of the model's folder"),
        ("inner/../inner/weights", "leads out of the model's folder"),
        ("/etc/hostname", "leads out of the model's folder"),
        ("link", "a link that leads out of the model's folder"),
        ("absent", "which is not there"),
        ("inner", "which is not there"),
        ("*/_ORT_MEM_ADDR_/*", "which is not there"),
        ("", "names no file"),
    ],
)
def test_no_other_file_is_read(folder: Path, location: str, problem: str) -> None:
    file = write(folder / "m.onnx", model(adding(outside(location))))
    with pytest.raises(BadArtefact, match=problem):
        OnnxEngine(config_of(file))


@pytest.mark.parametrize(
    ("place", "problem"),
    [
        ({"length": "17"}, "has 16 bytes where 17 are needed"),
        ({"offset": "8", "length": "16"}, "where 24 are needed"),
        ({"offset": "-1"}, "no number"),
        ({"offset": "²"}, "no number"),
    ],
)
def test_files_that_are_too_short(folder: Path, place: dict[str, str], problem: str) -> None:
    file = write(folder / "m.onnx", model(adding(outside("inner/weights", **place))))
    with pytest.raises(BadArtefact, match=problem):
        check_external_data(file)


def with_attribute(attribute: AttributeProto) -> ModelProto:
    made = model(adding(helper.make_tensor("w", TensorProto.FLOAT, [4], [0.0] * 4)))
    made.graph.node[0].attribute.append(attribute)
    return made


def hidden(place: str) -> ModelProto:
    """A model with an escape in every place that may hold a tensor."""
    escape = outside("../secret")
    sparse = SparseTensorProto(values=escape)
    made = model(adding(helper.make_tensor("w", TensorProto.FLOAT, [4], [0.0] * 4)))
    attributes = {
        "tensor": AttributeProto(name="a", type=AttributeProto.TENSOR, t=escape),
        "tensors": AttributeProto(name="a", type=AttributeProto.TENSORS, tensors=[escape]),
        "graph": AttributeProto(name="a", type=AttributeProto.GRAPH, g=adding(escape)),
        "graphs": AttributeProto(name="a", type=AttributeProto.GRAPHS, graphs=[adding(escape)]),
        "sparse tensor": AttributeProto(name="a", type=AttributeProto.SPARSE_TENSOR, sparse_tensor=sparse),
        "sparse tensors": AttributeProto(name="a", type=AttributeProto.SPARSE_TENSORS, sparse_tensors=[sparse]),
    }
    if place in attributes:
        return with_attribute(attributes[place])
    if place == "sparse initializer":
        made.graph.sparse_initializer.append(SparseTensorProto(indices=escape))
    elif place == "function":
        inner = node("Constant", [], ["c"])
        inner.attribute.append(attributes["tensor"])
        made.functions.append(FunctionProto(name="f", domain="d", node=[inner]))
    elif place == "default of a function":
        made.functions.append(FunctionProto(name="f", domain="d", attribute_proto=[attributes["tensor"]]))
    elif place == "training":
        made.training_info.add(initialization=adding(escape))
    elif place == "graph in a graph":
        branch = adding(helper.make_tensor("w", TensorProto.FLOAT, [4], [0.0] * 4))
        branch.node[0].attribute.append(attributes["graph"])
        return with_attribute(AttributeProto(name="then_branch", type=AttributeProto.GRAPH, g=branch))
    elif place == "said twice":
        return ModelProto.FromString(made.SerializeToString() + ModelProto(graph=adding(escape)).SerializeToString())
    return made


@pytest.mark.parametrize(
    "place",
    [
        *("tensor", "tensors", "graph", "graphs", "sparse tensor", "sparse tensors", "sparse initializer"),
        *("function", "default of a function", "training", "graph in a graph", "said twice"),
    ],
)
def test_it_is_found_wherever_it_hides(folder: Path, place: str) -> None:
    made = hidden(place)
    with pytest.raises(BadArtefact, match="leads out of the model's folder"):
        check_external_data(write(folder / "m.onnx", made))


def test_what_onnx_itself_writes(folder: Path) -> None:
    made = onnx.load(mlp(folder / "whole.onnx"))
    onnx.save(made, folder / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    rows = np.random.default_rng(1).normal(size=(3, 16)).astype(np.float32)
    whole, split = (OnnxEngine(config_of(folder / name)).run({"x": rows}, {})["y"] for name in ("whole.onnx", "m.onnx"))
    assert np.array_equal(whole, split)
    (folder / "m.data").unlink()
    with pytest.raises(BadArtefact, match="which is not there"):
        OnnxEngine(config_of(folder / "m.onnx"))


def test_a_name_does_not_hide_a_graph(folder: Path) -> None:
    made = model(adding(outside("../secret")))
    made.ClearField("ir_version")
    # ONNX Runtime's own format has these letters at the same place
    content = b"\x12\x06abORTM" + made.SerializeToString()
    (folder / "m.onnx").write_bytes(content)
    with pytest.raises(BadArtefact, match="leads out of the model's folder"):
        check_external_data(folder / "m.onnx")


def test_programs_of_other_compilers_are_refused(folder: Path) -> None:
    made = model(adding(helper.make_tensor("w", TensorProto.FLOAT, [4], [0.0] * 4)))
    made.graph.node.append(helper.make_node("EPContext", ["x"], ["z"], domain="com.microsoft", embed_mode=0))
    with pytest.raises(BadArtefact, match="EPContext"):
        OnnxEngine(config_of(write(folder / "m.onnx", made)))


@pytest.mark.parametrize("content", [b"\x0b", b"\x3a\xff\xff\xff\x0f", b"\x00", b"\xff" * 11, b"\x09\x01"])
def test_broken_wire_format(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(BadArtefact, match="no ONNX file"):
        check_external_data(tmp_path / "m.onnx")


def test_graphs_without_end(tmp_path: Path) -> None:
    content = b""
    for _ in range(60):
        for tag in (b"\x32", b"\x2a", b"\x0a"):  # graph of an attribute of a node
            content = tag + _varint(len(content)) + content
    (tmp_path / "m.onnx").write_bytes(b"\x3a" + _varint(len(content)) + content)
    with pytest.raises(BadArtefact, match="nested more than"):
        check_external_data(tmp_path / "m.onnx")


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def test_libraries_of_operators_are_named_by_the_operator(tmp_path: Path) -> None:
    file = mlp(tmp_path / "m.onnx")
    absent = str(tmp_path / "libabsent.so")
    with pytest.raises(BadSetting, match=r"trust\.custom_ops.*libabsent"):
        OnnxEngine(config_of(file, trust=Trust(custom_ops=[absent])))
    made = model(
        helper.make_graph(
            [helper.make_node("Mine", ["x"], ["y"], domain="my.ops")],
            "g",
            [tensor("x", "FP32", [1])],
            [tensor("y", "FP32", [1])],
        )
    )
    made.opset_import.add(domain="my.ops", version=1)
    with pytest.raises(BadArtefact, match=r"trust\.custom_ops"):
        OnnxEngine(config_of(write(tmp_path / "own.onnx", made)))
