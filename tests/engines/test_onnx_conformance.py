"""The ONNX engine under the public conformance suite."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from pumice.domain.datatypes import NUMPY_TYPES
from pumice.engines.conformance import Case, EngineConformance
from pumice.engines.onnx import OnnxEngine
from tests.engines.arrays import sample, texts
from tests.engines.graphs import config_of, copies, mlp, node, save, tensor


class TestOnnxEngine(EngineConformance):
    engine = OnnxEngine
    heavy_modules = ("onnxruntime", "onnxruntime.capi")

    @classmethod
    def cases(cls, folder: Path) -> Iterable[Case]:
        rows = np.random.default_rng(1).normal(size=(5, 16)).astype(np.float32)
        yield Case("mlp", config_of(mlp(folder / "mlp.onnx")), {"x": rows}, bad_inputs={"x": rows[:, :3]})
        datatypes = sorted(NUMPY_TYPES)
        yield Case(
            "every datatype",
            config_of(copies(folder / "copies.onnx", datatypes)),
            {f"in/{name}": sample(name, 4, 2) for name in datatypes},
        )
        scalar = save(
            folder / "scalar.onnx",
            [node("Add", ["a", "b"], ["sum"])],
            [tensor("a", "FP64", []), tensor("b", "FP64", [])],
            [tensor("sum", "FP64", [])],
        )
        yield Case("scalars", config_of(scalar), {"a": np.array(2.0), "b": np.array(3.0)})
        text = save(
            folder / "text.onnx",
            [node("Identity", ["文本 input"], ["ausgabe: text"])],
            [tensor("文本 input", "BYTES", ["batch"])],
            [tensor("ausgabe: text", "BYTES", ["batch"])],
        )
        yield Case(
            "text",
            config_of(text),
            {"文本 input": texts("很好", "", "a\0b")},
            bad_inputs={"文本 input": texts(b"\xff")},
        )
