"""The engine of Python models under the public conformance suite."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from pumice.domain.datatypes import NUMPY_TYPES
from pumice.domain.model import Manifest
from pumice.engines.base import EngineConfig
from pumice.engines.conformance import Case, EngineConformance
from pumice.engines.python import PythonEngine
from tests.engines.arrays import sample


class TestPythonEngine(EngineConformance):
    engine = PythonEngine
    heavy_modules = ("onnxruntime",)

    @classmethod
    def cases(cls, folder: Path) -> Iterable[Case]:
        del folder
        yield Case(
            "every datatype",
            named("Copies"),
            {f"in/{name}": sample(name, 4, 2) for name in NUMPY_TYPES},
        )
        rows = np.arange(12, dtype=np.float32).reshape(3, 4)
        yield Case("parameters", named("Scale"), {"x": rows}, {"factor": 3})
        yield Case("a class of nobody", named("Stranger"), {"x": rows})
        yield Case("scalars", named("Sum"), {"a": np.array(1.5), "b": np.array(2.5)})


def named(name: str) -> EngineConfig:
    return EngineConfig(source=f"tests.engines.models:{name}", path="", manifest=Manifest())
