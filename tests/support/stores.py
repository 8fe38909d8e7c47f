"""Both databases that tasks may be kept in, each new for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pumice.db import Place
from tests.support.postgres import MISSING, Cluster, binaries


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL server for the session."""
    if binaries() is None:
        pytest.skip(MISSING)
    with Cluster() as running:
        yield running


@pytest.fixture
def postgres(cluster: Cluster, tmp_path: Path) -> Place:
    """An empty PostgreSQL database."""
    return Place(tmp_path, cluster.new_database())


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return Place(tmp_path)
    found: Place = request.getfixturevalue("postgres")
    return found
