"""Writes the tiny model of workload A: x FP32 [batch, 16] -> 32 -> 32 -> y FP32 [batch, 4], ReLU between."""

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WIDTHS = (16, 32, 32, 4)


def build() -> onnx.ModelProto:
    """Returns the model; its weights come from a fixed seed, so every build is the same."""
    rng = np.random.default_rng(7)
    nodes, weights, at = [], [], "x"
    layers = list(pairwise(WIDTHS))
    for number, (wide_in, wide_out) in enumerate(layers, start=1):
        weight = (rng.standard_normal((wide_in, wide_out)) / np.sqrt(wide_in)).astype(np.float32)
        bias = (0.1 * rng.standard_normal(wide_out)).astype(np.float32)
        weights += [numpy_helper.from_array(weight, f"w{number}"), numpy_helper.from_array(bias, f"b{number}")]
        last = number == len(layers)
        out = "y" if last else f"h{number}"
        nodes.append(helper.make_node("Gemm", [at, f"w{number}", f"b{number}"], [out], name=f"layer{number}"))
        if not last:
            nodes.append(helper.make_node("Relu", [out], [f"r{number}"], name=f"relu{number}"))
            at = f"r{number}"
    graph = helper.make_graph(
        nodes,
        "mlp",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", WIDTHS[0]])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", WIDTHS[-1]])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model


if __name__ == "__main__":
    onnx.save(build(), Path(sys.argv[1]))
