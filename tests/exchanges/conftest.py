"""A store in a home of its own, and what tests ask of a version."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from pumice import Store

Digests = Callable[[str], Mapping[str, str]]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "home", by="tester") as opened:
        yield opened


@pytest.fixture
def digests(store: Store) -> Digests:
    """SHA-256 of a version's files, by path."""

    def of(ref: str) -> Mapping[str, str]:
        return {file.path: file.sha256 for file in store.show(ref).manifest.files}

    return of
