"""One server with every test model; tests that break things start their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.server import RunningServer

ROOT = Path(__file__).parents[2]
MODELS = "tests.support.models"


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    names = {
        "double": "Doubler",
        "slow": "Slow",
        "size": "BatchSize",
        "picky": "Picky",
        "shout": "Shout",
        "mixed": "Mixed",
        "big": "Big",
    }
    sources = [f"{name}={MODELS}:{kind}" for name, kind in names.items()]
    with RunningServer(*sources, "--timeout", "2", cwd=ROOT) as running:
        yield running
