"""The table of faults names the faults that are tested."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
AT_LEAST = 60
"""Faults that the table holds at least."""


def test_the_page_and_the_tests_name_the_same_faults() -> None:
    page = (ROOT / "docs/faults.md").read_text(encoding="utf-8")
    rows = [line.split(" | ")[0].removeprefix("| ") for line in page.splitlines() if line.startswith("| ")]
    told = [row for row in rows if row != "what goes wrong"]
    assert len(told) >= AT_LEAST
    assert f"{len(told)} faults." in page
    written = {
        node.value
        for path in (ROOT / "tests/faults").glob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    # a test of several signals puts the signal's name into its text
    unknown = [row for row in told if row not in written and not re.search(r"gets SIG\w+", row)]
    assert not unknown, f"no test tells these faults; write the page anew with 'make faults': {unknown}"
