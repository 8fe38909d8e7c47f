"""Writes the model of workload C: x FP32 [batch, 3, 224, 224] -> y FP32 [batch, 3], each channel's mean.

It looks at every pixel and does next to nothing with it, so that moving the image is most of the work.
"""

import sys
from pathlib import Path

import onnx
from onnx import TensorProto, helper

SHAPE = (3, 224, 224)


def build() -> onnx.ModelProto:
    """Returns the model."""
    node = helper.make_node("ReduceMean", ["x"], ["y"], axes=[2, 3], keepdims=0)
    graph = helper.make_graph(
        [node],
        "image",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", *SHAPE])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", SHAPE[0]])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model


if __name__ == "__main__":
    onnx.save(build(), Path(sys.argv[1]))
