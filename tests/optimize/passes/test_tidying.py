"""Graphs as exporters and optimizers leave them: no names, old versions, others' operators."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import helper

from pumice.domain.model import Manifest
from pumice.engines.processor import this_processor
from pumice.optimize.passes.base import ModelFolder, Supplies
from pumice.optimize.passes.conformance import load_raw
from pumice.optimize.passes.int8_dynamic import Int8Dynamic
from pumice.optimize.passes.int8_static import Int8Static
from pumice.optimize.passes.sameness import output_error
from pumice.optimize.passes.tidying import tidy
from tests.engines.graphs import node, save, tensor
from tests.optimize.passes.models import digit_network, digits


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


def test_old_models_get_scales_by_channel(tmp_path: Path) -> None:
    """Scales by channel came with version 13 of the operators; rapidocr's models are of version 11."""
    images = {"x": digits()[0][:32]}
    source = digit_network(tmp_path / "digits")
    old = onnx.load(source.model)
    old.opset_import[0].version = 11  # its operators mean the same there
    onnx.save(old, source.model)
    lighter = Int8Static.of(Int8Static.suited(this_processor())).apply(
        source, tmp_path / "int8", Supplies(calibration=lambda: [images])
    )
    assert output_error([load_raw(source).run(images, {})], [load_raw(lighter).run(images, {})]) < 0.1


def test_what_has_operators_of_the_runtime_is_quantized_too(tmp_path: Path) -> None:
    """Onnx cannot infer the kind of a tensor behind them, and the quantizer asks for it."""
    random = np.random.default_rng(4)
    weights = {name: random.normal(size=(16, 16)).astype(np.float32) / 4 for name in ("w", "w2")}
    weights["bias"] = random.normal(size=16).astype(np.float32)
    gelu = node("BiasGelu", ["h", "bias"], ["g"], domain="com.microsoft", name="gelu")
    nodes = [node("MatMul", ["x", "w"], ["h"]), gelu, node("MatMul", ["g", "w2"], ["y"])]
    save(tmp_path / "m.onnx", nodes, [tensor("x", "FP32", ["b", 16])], [tensor("y", "FP32", ["b", 16])], weights)
    model = onnx.load(tmp_path / "m.onnx")
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, tmp_path / "model.onnx")
    source = ModelFolder(tmp_path, Manifest(format="onnx", model="model.onnx"))
    inputs = {"x": random.normal(size=(32, 16)).astype(np.float32)}
    lighter = Int8Dynamic.of(Int8Dynamic.suited(this_processor())).apply(source, tmp_path / "int8")
    assert lighter.size_bytes < source.size_bytes
    assert output_error([load_raw(source).run(inputs, {})], [load_raw(lighter).run(inputs, {})]) < 0.1
