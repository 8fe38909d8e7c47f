"""What holds for all tests: none writes to the user's home, and the page of faults is written from the tests."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from tests.faults.page import FaultPage


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that ``make faults`` uses."""
    parser.addoption("--faults-page", type=Path, help="Write what the tests of faults tell to this page.")


def pytest_configure(config: pytest.Config) -> None:
    """Give what is started without a home one that goes with the run; listen to the tests if a page is wanted."""
    home = tempfile.TemporaryDirectory(prefix="pumice-tests-home-", ignore_cleanup_errors=True)
    os.environ["PUMICE_HOME"] = home.name
    config.add_cleanup(home.cleanup)
    path: Path | None = config.getoption("--faults-page")
    if path is not None:
        config.pluginmanager.register(FaultPage(path), "faults-page")
