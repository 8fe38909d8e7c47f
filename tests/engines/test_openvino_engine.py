"""The OpenVINO engine: the conformance suite, and its settings."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import openvino
import pytest
from openvino import opset13 as ops

from pumice.domain.errors import BadArtefact, BadSetting
from pumice.domain.model import Manifest, Parameter
from pumice.domain.signature import Signature, Tensor
from pumice.engines.conformance import Case, EngineConformance
from pumice.engines.onnx import OnnxEngine
from pumice.engines.openvino import OpenvinoEngine
from pumice.engines.registry import load_engine
from tests.engines.arrays import sample
from tests.engines.graphs import config_of, mlp

TYPES = {
    "BOOL": "boolean",
    "FP16": "f16",
    "FP32": "f32",
    "FP64": "f64",
    **{f"{sign}INT{bits}": f"{letter}{bits}" for sign, letter in (("", "i"), ("U", "u")) for bits in (8, 16, 32, 64)},
}


def ir(path: Path, onnx_file: Path) -> Path:
    """Convert a graph to IR, its weights as they are."""
    openvino.save_model(openvino.Core().read_model(str(onnx_file)), str(path), compress_to_fp16=False)
    return path


def copies(path: Path, types: dict[str, str]) -> Path:
    """Give every number back: ``in/TYPE`` -> ``out:TYPE``, [batch, 2]; without names, what cannot be named."""
    inputs, results = [], []
    for name, kind in types.items():
        taken = ops.parameter([-1, 2], getattr(openvino.Type, kind), name=f"in/{name}")
        taken.output(0).set_names({f"in/{name}"})
        given = ops.concat([taken, taken], 1) if kind != "boolean" else ops.logical_not(ops.logical_not(taken))
        given.output(0).set_names({f"out:{name}"})
        inputs.append(taken)
        results.append(ops.result(given))
    openvino.save_model(openvino.Model(results, inputs, "copies"), str(path), compress_to_fp16=False)
    return path


class TestOpenvinoEngine(EngineConformance):
    engine = OpenvinoEngine
    datatypes = frozenset(TYPES)
    heavy_modules = ("openvino",)

    @classmethod
    def cases(cls, folder: Path) -> Iterable[Case]:
        graph, rows = mlp(folder / "mlp.onnx"), np.random.default_rng(1).normal(size=(5, 16)).astype(np.float32)
        bad = {"x": rows[:, :3]}
        yield Case("ir", config_of(ir(folder / "mlp.xml", graph)), {"x": rows}, bad_inputs=bad)
        yield Case("onnx", config_of(graph, Manifest(format="openvino")), {"x": rows}, bad_inputs=bad)
        every = copies(folder / "copies.xml", TYPES)
        yield Case("every number", config_of(every), {f"in/{name}": sample(name, 4, 2) for name in TYPES})


def test_it_answers_as_onnx_runtime_does(tmp_path: Path) -> None:
    graph = mlp(tmp_path / "m.onnx")
    rows = np.random.default_rng(1).normal(size=(5, 16)).astype(np.float32)
    expected = OnnxEngine(config_of(graph)).run({"x": rows}, {})["y"]
    engine = OpenvinoEngine(config_of(ir(tmp_path / "m.xml", graph), threads=2))
    assert np.allclose(engine.run({"x": rows}, {})["y"], expected, atol=1e-5)
    assert engine.traits.batchable
    assert engine.traits.placement == {
        "provider": "openvino",
        "device": "CPU",
        "threads": 2,
        "dtype": "f32",
        "performance": "latency",
    }


def test_an_onnx_file_goes_to_onnx_runtime_unless_the_manifest_says_otherwise(tmp_path: Path) -> None:
    graph = mlp(tmp_path / "m.onnx")
    assert isinstance(load_engine(config_of(graph)), OnnxEngine)
    assert isinstance(load_engine(config_of(graph, Manifest(format="openvino"))), OpenvinoEngine)


def test_bf16_where_the_processor_has_it(tmp_path: Path) -> None:
    file = ir(tmp_path / "m.xml", mlp(tmp_path / "m.onnx"))
    config = config_of(file, Manifest(options={"dtype": "bf16"}))
    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        with pytest.raises(BadSetting, match=r"'bf16'; allowed fp32 or auto: CPU here has FP32"):
            OpenvinoEngine(config)
        return
    rows = np.random.default_rng(1).normal(size=(5, 16)).astype(np.float32)
    engine = OpenvinoEngine(config)
    assert engine.traits.placement["dtype"] == "bf16"
    answer = engine.run({"x": rows}, {})["y"]
    assert answer.dtype == np.float32
    assert np.allclose(answer, OpenvinoEngine(config_of(file)).run({"x": rows}, {})["y"], atol=0.1)


def test_bf16_tensors_travel_as_fp32(tmp_path: Path) -> None:
    taken = ops.parameter([-1, 2], openvino.Type.bf16, name="x")
    taken.output(0).set_names({"x"})
    given = ops.negative(taken)
    given.output(0).set_names({"y"})
    openvino.save_model(openvino.Model([ops.result(given)], [taken]), str(tmp_path / "m.xml"), compress_to_fp16=False)
    engine = OpenvinoEngine(config_of(tmp_path / "m.xml"))
    assert engine.signature == Signature([Tensor("x", "FP32", [-1, 2])], [Tensor("y", "FP32", [-1, 2])])
    assert engine.run({"x": np.array([[1, 0.5]], np.float32)}, {})["y"].tolist() == [[-1, -0.5]]


def test_a_bounded_batch_and_the_manifests_signature(tmp_path: Path) -> None:
    model = openvino.Core().read_model(str(mlp(tmp_path / "m.onnx")))
    model.reshape({"x": openvino.PartialShape([openvino.Dimension(1, 8), 16])})
    openvino.save_model(model, str(tmp_path / "m.xml"), compress_to_fp16=False)
    engine = OpenvinoEngine(config_of(tmp_path / "m.xml"))
    assert (engine.traits.batchable, engine.traits.max_batch_size) == (True, 8)
    said = Signature([Tensor("x", "FP32", [2, 16])], [Tensor("y", "FP32", [2, 4])])
    fixed = OpenvinoEngine(config_of(tmp_path / "m.xml", Manifest(signature=said)))
    assert (fixed.traits.batchable, fixed.signature) == (False, said)
    wrong = Signature([Tensor("z", "FP32", [2, 16])], [])
    with pytest.raises(BadArtefact, match="it has no 'z'"):
        OpenvinoEngine(config_of(tmp_path / "m.xml", Manifest(signature=wrong)))


@pytest.mark.parametrize(
    ("options", "settings", "problem"),
    [
        ({"dtyp": "bf16"}, {}, "dtyp.*dtype, device, performance"),
        ({"dtype": "int8"}, {}, "int8"),
        ({"device": "AUTO"}, {}, "auto where the device is AUTO"),
        ({"device": "NPU"}, {}, r"'NPU'; allowed AUTO, CPU"),
        ({}, {"device": 3}, r"'CPU\.3'"),
        ({}, {"provider": "cuda"}, "'cuda'; allowed auto, cpu, openvino"),
    ],
)
def test_what_cannot_be_set(
    tmp_path: Path, options: dict[str, Parameter], settings: dict[str, Any], problem: str
) -> None:
    file = ir(tmp_path / "m.xml", mlp(tmp_path / "m.onnx"))
    with pytest.raises(BadSetting, match=problem):
        OpenvinoEngine(config_of(file, Manifest(options=options), **settings))


def test_other_ways_to_compile(tmp_path: Path) -> None:
    file = ir(tmp_path / "m.xml", mlp(tmp_path / "m.onnx"))
    rows = np.ones((2, 16), np.float32)
    options: dict[str, Parameter] = {"dtype": "auto", "device": "AUTO", "performance": "throughput"}
    engine = OpenvinoEngine(config_of(file, Manifest(options=options)))
    assert engine.run({"x": rows}, {})["y"].shape == (2, 4)


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    file = ir(tmp_path / "m.xml", mlp(tmp_path / "m.onnx"))
    weights = file.with_suffix(".bin")
    for name, content, problem in (
        ("no.xml", b"not xml", "no XML"),
        ("broken.xml", file.read_bytes()[:300], "OpenVINO cannot read it"),
        ("other.tflite", struct.pack("<Q", 8), "no .xml of OpenVINO and no .onnx"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadArtefact, match=problem):
            OpenvinoEngine(config_of(tmp_path / name, Manifest(format="openvino")))
    weights.write_bytes(weights.read_bytes()[:10])
    with pytest.raises(BadArtefact, match="OpenVINO cannot read it"):
        OpenvinoEngine(config_of(file))
    weights.unlink()
    weights.symlink_to("/etc/hostname")
    with pytest.raises(BadArtefact, match="leads out of the model's folder"):
        OpenvinoEngine(config_of(file))


def test_weights_outside_of_an_onnx_file_stay_in_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    made = onnx.load(mlp(tmp_path / "m.onnx"))
    onnx.save(made, folder / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    rows = np.ones((2, 16), np.float32)
    config = config_of(folder / "m.onnx", Manifest(format="openvino"))
    assert OpenvinoEngine(config).run({"x": rows}, {})["y"].shape == (2, 4)
    (folder / "m.data").rename(tmp_path / "m.data")
    (folder / "m.data").symlink_to(tmp_path / "m.data")
    with pytest.raises(BadArtefact, match="a link that leads out"):
        OpenvinoEngine(config)
