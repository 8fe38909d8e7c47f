"""What holds for all tests: the page of faults is written from the tests themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.page import FaultPage


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that ``make faults`` uses."""
    parser.addoption("--faults-page", type=Path, help="Write what the tests of faults tell to this page.")


def pytest_configure(config: pytest.Config) -> None:
    """Listen to the tests if a page is wanted."""
    path: Path | None = config.getoption("--faults-page")
    if path is not None:
        config.pluginmanager.register(FaultPage(path), "faults-page")
