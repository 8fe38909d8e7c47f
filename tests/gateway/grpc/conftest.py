"""One server of real replicas for all tests of public clients."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.server import RunningServer

MODELS = {
    "doubler": "tests.support.models:Doubler",
    "mixed": "tests.support.models:Mixed",
    "shout": "tests.support.models:Shout",
    "gated": "tests.support.models:Gated",
    "picky": "tests.support.models:Picky",
    "rows": "tests.support.models:BatchSize",
    "big": "tests.support.models:Big",
    "sentiment": "src/pumice/assets/sentiment",
}


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """Host and port of gRPC."""
    with RunningServer(*(f"{name}={source}" for name, source in MODELS.items())) as server:
        yield server.grpc
