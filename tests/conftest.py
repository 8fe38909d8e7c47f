"""What holds for all tests.

None writes to the user's home, none trusts a public authority, and the page of faults is written from the tests.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import certifi
import pytest
from hypothesis import HealthCheck, settings

from tests.faults.page import FaultPage

# how long an example takes says how busy the machine is, not whether the code is right
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that ``make faults`` uses."""
    parser.addoption("--faults-page", type=Path, help="Write what the tests of faults tell to this page.")


def pytest_configure(config: pytest.Config) -> None:
    """Give what is started without a home one that goes with the run; listen to the tests if a page is wanted."""
    home = tempfile.TemporaryDirectory(prefix="pumice-tests-home-", ignore_cleanup_errors=True)
    os.environ["PUMICE_HOME"] = home.name
    config.add_cleanup(home.cleanup)
    os.environ["SSL_CERT_FILE"] = _one_authority(Path(home.name))
    path: Path | None = config.getoption("--faults-page")
    if path is not None:
        config.pluginmanager.register(FaultPage(path), "faults-page")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start what takes longest first: begun last, it would run on alone at the end with the other cores idle."""
    items.sort(key=_seconds, reverse=True)  # what has no mark stays in its order


def _seconds(item: pytest.Item) -> float:
    mark = item.get_closest_marker("slow")
    return float(mark.args[0]) if mark else 0.0


def _one_authority(folder: Path) -> str:
    """Write a bundle of one authority: to read the usual one costs 25 ms of CPU for every client that a test makes."""
    end = "-----END CERTIFICATE-----\n"
    folder.mkdir(parents=True, exist_ok=True)
    bundle = folder / "authority.pem"
    bundle.write_text(Path(certifi.where()).read_text(encoding="utf-8").partition(end)[0] + end, encoding="utf-8")
    return str(bundle)
