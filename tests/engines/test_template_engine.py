"""An engine of another package: found by its entry point, put through the suite, and no other file touched."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

import numpy as np

from pumice.engines.base import EngineConfig
from pumice.engines.conformance import Case, EngineConformance
from pumice.engines.registry import load_engine
from pumice.engines.source import resolve_source

PACKAGES = Path(__file__).parent / "template"
"""What ``pip install template-engine`` would put into site-packages."""


class TestTemplateEngine(EngineConformance):
    datatypes = frozenset({"FP32"})

    @classmethod
    def setup_class(cls) -> None:
        sys.path.append(str(PACKAGES))
        cls.engine = import_module("template_engine").TemplateEngine
        super().setup_class()

    @classmethod
    def teardown_class(cls) -> None:
        super().teardown_class()
        sys.path.remove(str(PACKAGES))

    @classmethod
    def cases(cls, folder: Path) -> Iterable[Case]:
        file = folder / "five.template"
        file.write_text("5", encoding="utf-8")
        path, manifest = resolve_source(str(file))
        yield Case(
            "five",
            EngineConfig(source=str(file), path=str(path), manifest=manifest),
            {"x": np.arange(6, dtype=np.float32).reshape(3, 2)},
        )

    def test_a_path_is_all_it_takes(self, tmp_path: Path) -> None:
        file = tmp_path / "seven.template"
        file.write_text("7", encoding="utf-8")
        path, manifest = resolve_source(str(file))
        engine = load_engine(EngineConfig(source=str(file), path=str(path), manifest=manifest))
        assert manifest.format == "template"
        assert engine.run({"x": np.zeros((1, 2), np.float32)}, {})["y"].tolist() == [[7, 7]]
