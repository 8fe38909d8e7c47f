"""A store in a home of its own, and a source to push."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pumice import Store


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where it is."""
    return tmp_path / "home"


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    """An empty one."""
    with Store(home, by="tester") as opened:
        yield opened


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A model of three files."""
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    (folder / "weights.safetensors").write_bytes(bytes(range(256)) * 400)
    (folder / "sub" / "README.md").write_text("# A model\n")
    (folder / "empty").write_bytes(b"")
    return folder
