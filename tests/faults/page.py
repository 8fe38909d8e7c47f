"""The table of faults: what each test says of its fault, and the times that it measured."""

from __future__ import annotations

from pathlib import Path

import pytest

PROPERTY = "fault"
"""Name of the test report's property that holds a `Fault`."""

HEAD = """\
# Faults

What goes wrong around a server, what its callers see, and how long it takes until it answers right again. Each row is
a test with real processes and sockets in `tests/faults`; the times were measured by `make faults`, which wrote this
page, on two cores. A time limit that a fault runs into is part of its time.

"""


COLUMNS = ("| what goes wrong | what happens | what the caller sees | well again after |", "|---|---|---|---|")


class FaultPage:
    """Collects the reports of a run and writes the page at its end.

    Args:
        path: Where to.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: dict[str, dict[str, str | float]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what a test told."""
        if report.when == "call" and report.passed:
            for name, value in report.user_properties:
                if name == PROPERTY and isinstance(value, dict):
                    self._rows[report.nodeid] = value

    def pytest_sessionfinish(self) -> None:
        """Write the page; in the process that has all reports, not in one of several that run tests."""
        if self._rows:
            self._path.write_text(render(list(self._rows.values())), encoding="utf-8")


def render(rows: list[dict[str, str | float]]) -> str:
    """Write the page.

    Args:
        rows: The faults' texts and times (s).
    """
    groups: dict[str, list[dict[str, str | float]]] = {}
    for row in rows:
        groups.setdefault(str(row["group"]), []).append(row)
    parts = [HEAD, f"{len(rows)} faults.\n"]
    for group in sorted(groups):
        parts += [
            f"\n## {group}\n",
            "| what goes wrong | what happens | what the caller sees | well again after |",
            "|---|---|---|---|",
        ]
        parts += [_line(row) for row in sorted(groups[group], key=lambda row: str(row["what"]))]
    return "\n".join(parts) + "\n"


def _line(row: dict[str, str | float]) -> str:
    seconds = row.get("seconds")
    if row["caller"] == "no server":
        well = "–"
    elif seconds is None:
        well = "never ill"
    else:
        well = "at once" if float(seconds) < 0.1 else f"{float(seconds):.1f} s"
    return f"| {row['what']} | {row['happens']} | {row['caller']} | {well} |"
