"""Small ONNX graphs, built for the tests that need them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from pumice.domain.model import Manifest
from pumice.engines.base import EngineConfig

Shape = Sequence[int | str | None] | None

ONNX_TYPES = {
    "BOOL": TensorProto.BOOL,
    "UINT8": TensorProto.UINT8,
    "UINT16": TensorProto.UINT16,
    "UINT32": TensorProto.UINT32,
    "UINT64": TensorProto.UINT64,
    "INT8": TensorProto.INT8,
    "INT16": TensorProto.INT16,
    "INT32": TensorProto.INT32,
    "INT64": TensorProto.INT64,
    "FP16": TensorProto.FLOAT16,
    "FP32": TensorProto.FLOAT,
    "FP64": TensorProto.DOUBLE,
    "BYTES": TensorProto.STRING,
}


def tensor(name: str, datatype: str, shape: Shape) -> ValueInfoProto:
    """Declare an input or output."""
    return helper.make_tensor_value_info(name, ONNX_TYPES[datatype], shape)


def node(kind: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> NodeProto:
    """Make a node."""
    return helper.make_node(kind, list(inputs), list(outputs), **attributes)


def save(
    path: Path,
    nodes: Sequence[NodeProto],
    inputs: Sequence[ValueInfoProto],
    outputs: Sequence[ValueInfoProto],
    weights: dict[str, np.ndarray] | None = None,
) -> Path:
    """Write a graph to a file."""
    initializers = [numpy_helper.from_array(array, name) for name, array in (weights or {}).items()]
    graph = helper.make_graph(list(nodes), "graph", list(inputs), list(outputs), initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10, producer_name="tests")
    onnx.save(model, path)
    return path


def config_of(path: Path, manifest: Manifest | None = None, **settings: Any) -> EngineConfig:
    """What an engine loads a file with."""
    return EngineConfig(source=str(path), path=str(path), manifest=manifest or Manifest(), **settings)


def mlp(path: Path, sizes: Sequence[int] = (16, 32, 32, 4)) -> Path:
    """A small network: x FP32 [batch, 16] -> y FP32 [batch, 4]."""
    random = np.random.default_rng(7)
    nodes, weights, last = [], {}, "x"
    for layer, (width, next_width) in enumerate(pairwise(sizes)):
        weights[f"w{layer}"] = random.normal(size=(width, next_width)).astype(np.float32)
        weights[f"b{layer}"] = random.normal(size=next_width).astype(np.float32)
        nodes.append(node("Gemm", [last, f"w{layer}", f"b{layer}"], [f"h{layer}"]))
        nodes.append(node("Tanh", [f"h{layer}"], [f"t{layer}"]))
        last = f"t{layer}"
    nodes[-1].output[0] = "y"
    return save(
        path, nodes, [tensor("x", "FP32", ["batch", sizes[0]])], [tensor("y", "FP32", ["batch", sizes[-1]])], weights
    )


def copies(path: Path, datatypes: Sequence[str]) -> Path:
    """Give every input back: ``in/TYPE`` -> ``out:TYPE``, [batch, 2]."""
    return save(
        path,
        [node("Identity", [f"in/{name}"], [f"out:{name}"]) for name in datatypes],
        [tensor(f"in/{name}", name, ["batch", 2]) for name in datatypes],
        [tensor(f"out:{name}", name, ["batch", 2]) for name in datatypes],
    )


def constant(folder: Path, number: float) -> Path:
    """A model that answers one number, in a folder of its own: x FP32 [-1, 4] -> y FP32 [-1, 4]."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {"zero": np.zeros(1, np.float32), "number": np.full(1, number, np.float32)}
    nodes = [node("Mul", ["x", "zero"], ["nothing"]), node("Add", ["nothing", "number"], ["y"])]
    ends = [tensor("x", "FP32", ["batch", 4])], [tensor("y", "FP32", ["batch", 4])]
    return save(folder / "model.onnx", nodes, *ends, weights)
