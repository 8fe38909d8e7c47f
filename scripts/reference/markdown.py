"""Small pieces of Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay out a table; cells may hold Markdown, pipes and line breaks are taken care of."""
    lines = [_row(head), "|" + "---|" * len(head), *map(_row, rows)]
    return "\n".join(lines) + "\n"


def code(text: str) -> str:
    """Set a word as code."""
    return f"`{text}`"


def attributes(docstring: str | None) -> dict[str, str]:
    """Read the ``Attributes`` section of a Google docstring.

    Args:
        docstring: As Python holds it.

    Returns:
        Name -> description, on one line, with double backticks made single.
    """
    import inspect

    found: dict[str, str] = {}
    inside, name = False, ""
    for line in inspect.cleandoc(docstring or "").splitlines():
        if re.fullmatch(r"\w+:", line):
            inside = line == "Attributes:"
        elif inside and (entry := re.match(r" {4}(\w+): (.*)", line)):
            name = entry[1]
            found[name] = entry[2]
        elif inside and line.strip():
            found[name] += " " + line.strip()
    return {key: text.replace("``", "`") for key, text in found.items()}


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
