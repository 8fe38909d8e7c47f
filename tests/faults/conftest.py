"""What tests of faults share: a row of the table, a stopwatch until the server is well, and the server itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.faults.page import PROPERTY
from tests.support.server import RunningServer
from tests.support.wire import infer, output, until

ROOT = Path(__file__).parents[2]
MODELS = "tests.faults.models"
LIMIT = 4.0
"""Time limit of the model that hangs (s)."""


class Fault:
    """One row of the table, filled by the test.

    Args:
        keep: Keeps the row with the test's report.
    """

    def __init__(self, keep: Callable[[str, object], None]) -> None:
        self._keep = keep
        self._row: dict[str, str | float] = {}
        self._since = 0.0

    def is_that(self, what: str, *, happens: str, caller: str, group: str) -> None:
        """Say what it is.

        Args:
            what: What goes wrong.
            happens: What the server does.
            caller: What the caller sees.
            group: Heading that it stands under.
        """
        self._row = {"what": what, "happens": happens, "caller": caller, "group": group}
        self._keep(PROPERTY, self._row)

    def strikes(self) -> None:
        """Start the watch."""
        self._since = time.monotonic()

    def heals(self, url: str, model: str) -> None:
        """Ask until the model answers right, and stop the watch."""
        until(lambda: _answers(url, model))
        self._row["seconds"] = time.monotonic() - self._since


def _answers(url: str, model: str) -> bool:
    answer = infer(url, model)
    assert answer.status_code in {200, 503}, answer.text
    return answer.status_code == 200 and output(answer) == [2, 4, 6, 8]


@pytest.fixture
def fault(record_property: Callable[[str, object], None]) -> Fault:
    return Fault(record_property)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A faulty model, and a neighbour that no fault may reach."""
    models = [
        {"name": "faulty", "source": f"{MODELS}:Faulty", "memory_limit": 2 << 30},
        # the delay gathers a batch; a gate would run into the limit on a busy machine
        {"name": "hanging", "source": f"{MODELS}:Faulty", "timeout": LIMIT, "max_delay_ms": 1000, "max_batch_size": 4},
        {"name": "neighbour", "source": "tests.support.models:Doubler"},
    ]
    file = tmp_path_factory.mktemp("faults") / "pumice.yaml"
    file.write_text(yaml.safe_dump({"models": models}), encoding="utf-8")
    with RunningServer("-f", str(file), cwd=ROOT) as running:
        yield running
