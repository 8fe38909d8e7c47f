"""Write docs/reference from the code, or check that it is up to date.

usage: python -m scripts.generate_reference [--check]
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from scripts.reference import commands, errors, metrics, routes, settings

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "reference"
NOTE = "<!-- made by `make reference` from the code; change it there -->\n\n"
PAGES: Mapping[str, Callable[[], str]] = {
    "cli.md": commands.page,
    "errors.md": errors.page,
    "http.md": routes.page,
    "metrics.md": metrics.page,
    "settings.md": settings.page,
}


def text_of(name: str) -> str:
    """Make the text of one page."""
    return NOTE + PAGES[name]().rstrip("\n") + "\n"


def stale() -> list[str]:
    """Name the pages that differ from what the code says now."""
    return [
        name
        for name in PAGES
        if not (FOLDER / name).exists() or (FOLDER / name).read_text(encoding="utf-8") != text_of(name)
    ]


def main(arguments: list[str]) -> int:
    """Write the pages, or with ``--check`` only tell which are stale; return the exit code."""
    if arguments == ["--check"]:
        old = stale()
        if old:
            print(f"docs/reference is not up to date: {', '.join(old)}; run `make reference`", file=sys.stderr)
        return 1 if old else 0
    if arguments:
        print(__doc__, file=sys.stderr)
        return 2
    for name in PAGES:
        (FOLDER / name).write_text(text_of(name), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
