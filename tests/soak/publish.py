"""Puts a soak's report into its page: ``python -m tests.soak.publish build/soak one_front``."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "soak.md"


def published(page: str, report: str, place: str) -> str:
    """Return the page with a report, without its drawing, between the markers of a place.

    Raises:
        ValueError: The page has no such place.
    """
    told = "".join(line for line in report.splitlines(keepends=True) if not line.startswith("!["))
    markers = re.compile(rf"(<!-- {re.escape(place)}:begin -->\n).*?(<!-- {re.escape(place)}:end -->)", re.DOTALL)
    if not markers.search(page):
        msg = f"the page has no place '{place}'"
        raise ValueError(msg)
    return markers.sub(lambda found: f"{found[1]}{told.strip()}\n{found[2]}", page)


def main() -> None:
    """Read the report's folder and the place from the command line, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.publish", description=__doc__)
    parser.add_argument("report", type=Path, help="folder that a soak wrote")
    parser.add_argument("place", choices=["one_front", "two_fronts"], help="where it goes")
    given = parser.parse_args()
    report = (given.report / "soak.md").read_text(encoding="utf-8")
    PAGE.write_text(published(PAGE.read_text(encoding="utf-8"), report, given.place), encoding="utf-8")


if __name__ == "__main__":
    main()
