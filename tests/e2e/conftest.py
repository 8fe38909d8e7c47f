"""One server with every test model; tests that break things start their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.server import RunningServer

ROOT = Path(__file__).parents[2]
MODELS = "tests.support.models"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    names = {
        "double": "Doubler",
        "gated": "Gated",
        "turns": "Turns",
        "size": "BatchSize",
        "picky": "Picky",
        "shout": "Shout",
        "traced": "Traced",
        "mixed": "Mixed",
        "big": "Big",
    }
    models = [{"name": name, "source": f"{MODELS}:{kind}"} for name, kind in names.items()]
    hanging = next(model for model in models if model["name"] == "picky")
    hanging |= {"timeout": "2"}
    file = tmp_path_factory.mktemp("server") / "pumice.yaml"
    file.write_text(yaml.safe_dump({"models": models}), encoding="utf-8")
    with RunningServer("-f", str(file), cwd=ROOT) as running:
        yield running
