"""Providers, devices and options of the ONNX engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pumice.domain.errors import BadSetting, MissingDependency
from pumice.domain.model import Manifest, Parameter
from pumice.engines.onnx import OnnxEngine
from pumice.engines.onnx.options import OnnxOptions, read_options
from pumice.engines.onnx.providers import choose, runtime_providers, settle
from tests.engines.graphs import config_of, mlp

CPU_ONLY = ["AzureExecutionProvider", "CPUExecutionProvider"]
GPU = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
MAC = ["CoreMLExecutionProvider", "CPUExecutionProvider"]
INTEL = ["OpenVINOExecutionProvider", "CPUExecutionProvider"]


def load(path: Path, options: dict[str, Parameter] | None = None, **settings: Any) -> OnnxEngine:
    return OnnxEngine(config_of(path, Manifest(options=options or {}), **settings))


@pytest.mark.parametrize(
    ("wanted", "available", "chosen"),
    [
        ("auto", CPU_ONLY, "cpu"),
        ("auto", GPU, "cuda"),
        ("auto", MAC, "cpu"),
        ("auto", INTEL, "openvino"),
        ("coreml", MAC, "coreml"),
        ("tensorrt", GPU, "tensorrt"),
        ("cpu", GPU, "cpu"),
    ],
)
def test_a_provider_is_chosen(wanted: str, available: list[str], chosen: str) -> None:
    assert choose(wanted, available) == chosen


def test_a_provider_that_is_unknown_or_not_there() -> None:
    with pytest.raises(BadSetting, match=r"'gpu'; allowed auto, cpu, cuda.*available here: cpu, coreml"):
        choose("gpu", MAC)
    with pytest.raises(
        MissingDependency, match=r"provider 'cuda' \(available here: cpu\).*pip install onnxruntime-gpu"
    ):
        choose("cuda", CPU_ONLY)


def test_a_session_is_asked_for_a_provider_and_what_it_falls_back_on() -> None:
    assert runtime_providers("cpu", 0, {}) == [("CPUExecutionProvider", {})]
    assert runtime_providers("tensorrt", 1, {"tensorrt": {"trt_fp16_enable": "1"}}) == [
        ("TensorrtExecutionProvider", {"device_id": "1", "trt_fp16_enable": "1"}),
        ("CUDAExecutionProvider", {"device_id": "1"}),
        ("CPUExecutionProvider", {}),
    ]
    with pytest.raises(BadSetting, match="device: given 1"):
        runtime_providers("cpu", 1, {})
    with pytest.raises(BadSetting, match="options of provider 'cuda'"):
        runtime_providers("cpu", 0, {"cuda": {"gpu_mem_limit": "1"}})


def test_what_really_runs_is_told() -> None:
    assert settle("auto", "cuda", GPU[1:]) == "cuda"
    assert settle("auto", "cuda", ["CPUExecutionProvider"]) == "cpu"
    with pytest.raises(BadSetting, match=r"'cuda' cannot.*'cpu' can"):
        settle("cuda", "cuda", ["CPUExecutionProvider"])


def test_threads_and_provider_are_reported(tmp_path: Path) -> None:
    engine = load(mlp(tmp_path / "m.onnx"), {"spinning": True, "optimization": "basic"}, threads=2, provider="cpu")
    assert engine.traits.placement == {"provider": "cpu", "device": 0, "threads": 2}
    assert engine.run({"x": np.ones((3, 16), np.float32)}, {})["y"].shape == (3, 4)


@pytest.mark.parametrize(
    "settings", [{"provider": "npu"}, {"provider": "cuda"}, {"device": 1}, {"options": {"cuda.gpu_mem_limit": 1}}]
)
def test_what_this_machine_cannot_do_is_refused(tmp_path: Path, settings: dict[str, Any]) -> None:
    with pytest.raises((BadSetting, MissingDependency)):
        load(mlp(tmp_path / "m.onnx"), **settings)


def test_options_are_read() -> None:
    own, of_providers = read_options({"spinning": True, "cuda.do_copy": False, "cuda.limit": 5})
    assert own == OnnxOptions(spinning=True)
    assert of_providers == {"cuda": {"do_copy": "0", "limit": "5"}}


@pytest.mark.parametrize("options", [{"speed": 1}, {"spinning": "yes"}, {"optimization": "most"}, {"npu.x": 1}])
def test_options_that_are_unknown_or_wrong(options: dict[str, Parameter]) -> None:
    with pytest.raises(BadSetting, match="'options'"):
        read_options(options)
