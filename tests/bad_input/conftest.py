"""Servers of this folder: one as it is by default, one with small limits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.server import RunningServer

ROOT = Path(__file__).parents[2]
MODELS = [
    {"name": name, "source": f"tests.support.models:{kind}"}
    for name, kind in {
        "double": "Doubler",
        "gated": "Gated",
        "counting": "Counting",
        "shout": "Shout",
        "mixed": "Mixed",
        "big": "Big",
    }.items()
]

SMALL = {
    "max_body_bytes": 4_000_000,
    "max_inflight_bytes": 10_000_000,
    "max_connections": 40,
    "header_timeout": 1,
    "body_timeout": 1,
    "send_timeout": 1,
    "idle_timeout": 2,
    "min_rate": 1_000_000,
    "cors_origins": ["https://pages.example"],
}


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """All limits as they are by default."""
    with serving(tmp_path_factory.mktemp("server"), {}) as running:
        yield running


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Limits so small that a test reaches them."""
    with serving(tmp_path_factory.mktemp("small"), SMALL) as running:
        yield running


def serving(folder: Path, settings: dict[str, object]) -> RunningServer:
    file = folder / "pumice.yaml"
    file.write_text(yaml.safe_dump({"models": MODELS} | settings), encoding="utf-8")
    return RunningServer("-f", str(file), cwd=ROOT)
