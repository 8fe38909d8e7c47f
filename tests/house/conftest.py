"""Reports the files above the soft limit at the end of `make check`; the hard limit is a test."""

import pytest

from tests.house.source import name_of, python_files

SOFT_LIMIT = 300


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    sizes = {name_of(path): len(path.read_bytes().splitlines()) for path in python_files()}
    for name, lines in sorted(sizes.items(), key=lambda item: -item[1]):
        if lines > SOFT_LIMIT:
            terminalreporter.write_line(f"above the soft limit of {SOFT_LIMIT} lines: {name} ({lines})")
