"""The soak is the longest test of all: it begins first, so that the others run beside it."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put it in front."""
    items.sort(key=lambda item: "tests/soak/test_soak.py" not in item.nodeid)
