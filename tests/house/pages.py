"""The documentation's pages as the house tests read them."""

import re
from dataclasses import dataclass
from pathlib import Path

from tests.house.source import ROOT

TWIN = ".zh-CN.md"


@dataclass(frozen=True)
class Block:
    """A fenced piece of code: its language and its text."""

    language: str
    text: str


def pages() -> list[Path]:
    """List the pages that people write: those at the root and below docs."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def blocks(page: Path) -> list[Block]:
    """Find the fenced pieces of code of a page."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(found[1], found[2]) for found in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    ]


def prose(page: Path) -> str:
    """The page without its code."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as the site and GitHub make them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}
