"""Servers that the tests of this folder share; none of them changes what it serves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.gateway.http.local import LocalServer, healthy_versions, local_server, troubled_versions


@pytest.fixture(scope="session")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """A server whose versions all answer."""
    with local_server(healthy_versions(), tmp_path_factory.mktemp("healthy")) as server:
        yield server


@pytest.fixture(scope="session")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """A server some of whose versions do not."""
    with local_server([*healthy_versions(), *troubled_versions()], tmp_path_factory.mktemp("troubled")) as server:
        yield server


@pytest.fixture(scope="session")
def client(healthy: LocalServer) -> Iterator[httpx.Client]:
    """Speaks to the healthy server."""
    with httpx.Client(base_url=healthy.url, timeout=30) as http:
        yield http


@pytest.fixture(scope="session")
def trouble(troubled: LocalServer) -> Iterator[httpx.Client]:
    """Speaks to the troubled server."""
    with httpx.Client(base_url=troubled.url, timeout=30) as http:
        yield http


@pytest.fixture
def closing(tmp_path: Path) -> Iterator[LocalServer]:
    """A server of its own, for a test that changes it."""
    with local_server(healthy_versions(), tmp_path) as server:
        yield server
