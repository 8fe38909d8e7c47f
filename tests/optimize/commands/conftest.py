"""A model, examples, a recipe and a home."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.optimize.commands.here import Pumice
from tests.optimize.commands.points import network, points


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PUMICE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path / "home"


@pytest.fixture
def pumice(home: Path, capsys: pytest.CaptureFixture[str]) -> Pumice:
    return Pumice(capsys)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return network(tmp_path_factory.mktemp("models") / "points")


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return points(tmp_path_factory.mktemp("data") / "points.npz", 1600, parts=("left", "right"))


@pytest.fixture(scope="session")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One candidate only."""
    file = tmp_path_factory.mktemp("recipes") / "one.yaml"
    file.write_text(
        "name: one\nabout: One candidate.\ncandidates:\n  - {name: int8, about: It., passes: [int8-dynamic]}\n"
    )
    return file
