"""What the ONNX engine reads out of a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from pumice.domain.errors import BadArtefact, SignatureMismatch
from pumice.domain.model import Manifest
from pumice.domain.signature import Signature, Tensor
from pumice.engines.onnx import OnnxEngine
from tests.engines.arrays import texts
from tests.engines.graphs import Shape, config_of, mlp, node, save, tensor


def load(path: Path, signature: Signature | None = None) -> OnnxEngine:
    return OnnxEngine(config_of(path, Manifest(signature=signature)))


def add(path: Path, left: Shape, right: Shape, out: Shape) -> Path:
    """Build a sum: x + y -> z."""
    inputs = [tensor("x", "FP32", left), tensor("y", "FP32", right)]
    return save(path, [node("Add", ["x", "y"], ["z"])], inputs, [tensor("z", "FP32", out)])


def test_names_types_and_axes_come_from_the_file(tmp_path: Path) -> None:
    path = save(
        tmp_path / "m.onnx",
        [
            node("Identity", ["serving_default/ids:0"], ["out:0"]),
            node("Cast", ["mask"], ["half"], to=TensorProto.FLOAT16),
        ],
        [tensor("serving_default/ids:0", "INT64", ["batch", None, 3]), tensor("mask", "BOOL", ["batch"])],
        [tensor("out:0", "INT64", ["batch", "sequence", 3]), tensor("half", "FP16", ["batch"])],
    )
    engine = load(path)
    assert engine.signature == Signature(
        inputs=[Tensor("serving_default/ids:0", "INT64", [-1, -1, 3]), Tensor("mask", "BOOL", [-1])],
        outputs=[Tensor("out:0", "INT64", [-1, -1, 3]), Tensor("half", "FP16", [-1])],
    )
    assert engine.traits.batchable is True
    assert engine.traits.placement == {"provider": "cpu", "device": 0, "threads": 1}


def test_metadata_comes_from_the_file(tmp_path: Path) -> None:
    path = mlp(tmp_path / "m.onnx")
    model = onnx.load(path)
    model.doc_string, model.model_version = "adds nothing", 3
    helper.set_model_props(model, {"author": "somebody"})
    onnx.save(model, path)
    said = load(path).traits.metadata
    assert said == {
        "producer": "tests",
        "description": "adds nothing",
        "graph": "graph",
        "version": "3",
        "author": "somebody",
    }


@pytest.mark.parametrize(
    ("left", "right", "out", "batchable"),
    [
        (["n"], ["n"], ["n"], True),
        (["n", 2], ["n", 2], [None, 2], True),  # a run shows it
        ([None, 2], [None, 2], [None, 2], True),
        (["n", 2], ["m", 2], ["n", 2], False),  # rows of two kinds
        ([4, 2], [4, 2], [4, 2], False),  # one size only
        ([4, "n"], [4, "n"], [4, "n"], False),  # the first axis is not the batch
        ([], [], [], False),
    ],
)
def test_rows_can_be_joined_where_the_first_axes_say_so(
    tmp_path: Path, left: Shape, right: Shape, out: Shape, batchable: bool
) -> None:
    assert load(add(tmp_path / "m.onnx", left, right, out)).traits.batchable is batchable


@pytest.mark.parametrize(("out", "rank"), [(["found"], 1), (None, 1)])
def test_outputs_that_have_rows_of_their_own_are_seen(tmp_path: Path, out: Shape, rank: int) -> None:
    nodes = [node("Cast", ["x"], ["flags"], to=TensorProto.BOOL), node("Compress", ["x", "flags"], ["found"])]
    path = save(tmp_path / "m.onnx", nodes, [tensor("x", "FP32", ["n"])], [tensor("found", "FP32", out)])
    engine = load(path)
    assert engine.signature.outputs == [Tensor("found", "FP32", [-1] * rank)]
    assert engine.traits.batchable is False


def test_an_output_of_unknown_rank_is_looked_at(tmp_path: Path) -> None:
    nodes = [node("Reshape", ["x", "shape"], ["y"], allowzero=1), node("Identity", ["x"], ["z"])]
    inputs = [tensor("x", "FP32", ["n", 3]), tensor("shape", "INT64", ["rank"])]
    path = save(tmp_path / "a.onnx", nodes, inputs, [tensor("y", "FP32", None), tensor("z", "FP32", ["n", 3])])
    # zeros are no shape: the rank stays open, and the manifest has to say it
    assert load(path).signature.outputs[0].shape == []
    said = Signature(
        inputs=[Tensor("x", "FP32", [-1, 3]), Tensor("shape", "INT64", [2])], outputs=[Tensor("y", "FP32", [-1, -1])]
    )
    engine = load(path, said)
    answer = engine.run({"x": np.ones((2, 3), np.float32), "shape": np.array([3, 2])}, {})
    assert list(answer) == ["y"]
    assert answer["y"].shape == (3, 2)
    twice = [node("If", ["flag"], ["y"], then_branch=branch("Identity"), else_branch=branch("Flatten"))]
    path = save(
        tmp_path / "b.onnx",
        twice,
        [tensor("x", "FP32", ["n", 3, 2]), tensor("flag", "BOOL", [])],
        [tensor("y", "FP32", None)],
    )
    assert load(path).signature.outputs == [Tensor("y", "FP32", [-1, -1])]


def branch(kind: str) -> onnx.GraphProto:
    return helper.make_graph([node(kind, ["x"], ["inner"])], kind, [], [tensor("inner", "FP32", None)])


def test_inputs_with_a_value_in_the_file_are_optional(tmp_path: Path) -> None:
    path = save(
        tmp_path / "m.onnx",
        [node("Mul", ["x", "factor"], ["y"])],
        [tensor("x", "FP32", [2]), tensor("factor", "FP32", [])],
        [tensor("y", "FP32", [2])],
        {"factor": np.array(10, np.float32)},
    )
    engine = load(path)
    assert engine.signature.inputs == [Tensor("x", "FP32", [2]), Tensor("factor", "FP32", [], optional=True)]
    x = np.array([1, 2], np.float32)
    assert engine.run({"x": x}, {})["y"].tolist() == [10, 20]
    assert engine.run({"x": x, "factor": np.array(3, np.float32)}, {})["y"].tolist() == [3, 6]


def test_weights_left_open_to_change_do_not_hinder_batches(tmp_path: Path) -> None:
    weight = {"w": np.ones((2, 2), np.float32)}
    inputs = [tensor("x", "FP32", ["n", 2]), tensor("w", "FP32", [2, 2])]
    path = save(
        tmp_path / "m.onnx", [node("MatMul", ["x", "w"], ["y"])], inputs, [tensor("y", "FP32", ["n", 2])], weight
    )
    engine = load(path)
    assert [t.name for t in engine.signature.inputs] == ["x"]
    assert engine.traits.batchable is True
    said = Signature(
        inputs=[Tensor("x", "FP32", [-1, 2]), Tensor("w", "FP32", [2, 2], optional=True)],
        outputs=[Tensor("y", "FP32", [-1, 2])],
    )
    engine = load(path, said)
    assert engine.traits.batchable is False
    answer = engine.run({"x": np.ones((1, 2), np.float32), "w": np.zeros((2, 2), np.float32)}, {})
    assert answer["y"].tolist() == [[0, 0]]


def test_optional_tensors_may_be_left_out(tmp_path: Path) -> None:
    kind = helper.make_optional_type_proto(helper.make_tensor_type_proto(TensorProto.FLOAT, ["n"]))
    path = save(
        tmp_path / "m.onnx",
        [node("OptionalHasElement", ["maybe"], ["there"])],
        [helper.make_value_info("maybe", kind)],
        [tensor("there", "BOOL", [])],
    )
    engine = load(path)
    assert engine.signature.inputs == [Tensor("maybe", "FP32", [-1], optional=True)]
    assert not engine.run({}, {})["there"]
    assert engine.run({"maybe": np.ones(2, np.float32)}, {})["there"]


def test_what_cannot_be_sent_is_said_and_can_be_left_out(tmp_path: Path) -> None:
    sequence = helper.make_sequence_type_proto(helper.make_tensor_type_proto(TensorProto.FLOAT, ["n"]))
    path = save(
        tmp_path / "m.onnx",
        [node("SequenceConstruct", ["x"], ["zipped"]), node("Identity", ["x"], ["label"])],
        [tensor("x", "FP32", ["n"])],
        [helper.make_value_info("zipped", sequence), tensor("label", "FP32", ["n"])],
    )
    with pytest.raises(BadArtefact, match=r"'zipped' is a seq\(tensor\(float\)\).*zipmap"):
        load(path)
    said = Signature(inputs=[Tensor("x", "FP32", [-1])], outputs=[Tensor("label", "FP32", [-1])])
    engine = load(path, said)
    assert engine.traits.batchable is True
    assert list(engine.run({"x": np.ones(2, np.float32)}, {})) == ["label"]
    path = save(
        tmp_path / "bf16.onnx",
        [node("Cast", ["x"], ["y"], to=TensorProto.BFLOAT16)],
        [tensor("x", "FP32", ["n"])],
        [helper.make_tensor_value_info("y", TensorProto.BFLOAT16, ["n"])],
    )
    with pytest.raises(BadArtefact, match="bfloat16"):
        load(path)


@pytest.mark.parametrize(
    ("inputs", "outputs", "words"),
    [
        ([Tensor("q", "FP32", [-1, 16])], [Tensor("y", "FP32", [-1, 4])], "it has no 'q'"),
        ([Tensor("x", "FP64", [-1, 16])], [Tensor("y", "FP32", [-1, 4])], r"'x' is FP32 \[-1, 16\]"),
        ([Tensor("x", "FP32", [-1, 16])], [Tensor("y", "FP32", [-1])], r"'y' is FP32 \[-1, 4\]"),
        ([], [Tensor("y", "FP32", [-1, 4])], r"leaves out the inputs \['x'\]"),
    ],
)
def test_a_manifest_that_contradicts_the_file(
    tmp_path: Path, inputs: list[Tensor], outputs: list[Tensor], words: str
) -> None:
    with pytest.raises(BadArtefact, match=words):
        load(mlp(tmp_path / "m.onnx"), Signature(inputs=inputs, outputs=outputs))


def test_a_narrower_shape_may_be_said(tmp_path: Path) -> None:
    said = Signature(inputs=[Tensor("x", "FP32", [8, 16])], outputs=[Tensor("y", "FP32", [8, 4])])
    engine = load(mlp(tmp_path / "m.onnx"), said)
    assert engine.signature == said
    assert engine.traits.batchable is False


def test_bytes_that_are_no_text_are_refused_by_row(tmp_path: Path) -> None:
    path = save(
        tmp_path / "m.onnx",
        [node("Identity", ["text"], ["same"])],
        [tensor("text", "BYTES", ["n"])],
        [tensor("same", "BYTES", ["n"])],
    )
    with pytest.raises(SignatureMismatch, match=r"input 'text'\[1\].*not UTF-8.*UTF-8 text"):
        load(path).run({"text": texts("ok", b"\xff\xfe")}, {})


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"", "it is empty"), (b"garbage", "it is no ONNX file"), (b"\x08\x0a", "ONNX Runtime cannot load it")],
)
def test_a_file_that_is_no_graph(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    with pytest.raises(BadArtefact, match=problem):
        load(path)
    with pytest.raises(BadArtefact, match="No such file"):
        load(tmp_path / "absent.onnx")
