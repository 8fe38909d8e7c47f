"""Graphs as exporters leave them: nodes without names, biases with an axis of one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx

from pumice.domain.model import Manifest
from pumice.engines.processor import this_processor
from pumice.optimize.passes.base import ModelFolder, Supplies
from pumice.optimize.passes.conformance import load_raw
from pumice.optimize.passes.int8_static import Int8Static
from pumice.optimize.passes.sameness import output_error
from pumice.optimize.passes.tidying import tidy
from tests.engines.graphs import node, save, tensor


def test_biases_of_two_axes_are_quantized(tmp_path: Path) -> None:
    """ONNX Runtime's quantizer fails on them channel by channel; magika has one."""
    random = np.random.default_rng(4)
    weights = {
        "w": random.normal(size=(16, 8)).astype(np.float32),
        "bias": random.normal(size=(1, 8)).astype(np.float32),
        "w2": random.normal(size=(8, 8)).astype(np.float32),
    }
    nodes = [node("Gemm", ["x", "w", "bias"], ["h"]), node("Gemm", ["h", "w2", "bias"], ["y"])]
    ends = [tensor("x", "FP32", ["b", 16])], [tensor("y", "FP32", ["b", 8])]
    model = onnx.load(save(tmp_path / "model.onnx", nodes, *ends, weights))
    assert tidy(model)
    assert [each.name for each in model.graph.node] == ["Gemm_0", "Gemm_1"]
    assert sorted(each.name for each in model.graph.initializer) == ["bias_flat", "w", "w2"]
    assert not tidy(model)
    source = ModelFolder(tmp_path, Manifest(format="onnx", model="model.onnx"))
    inputs = {"x": random.normal(size=(32, 16)).astype(np.float32)}
    lighter = Int8Static.of(Int8Static.suited(this_processor())).apply(
        source, tmp_path / "int8", Supplies(calibration=lambda: [inputs])
    )
    assert output_error([load_raw(source).run(inputs, {})], [load_raw(lighter).run(inputs, {})]) < 0.05
