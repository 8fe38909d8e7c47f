"""Every sentence of the page, in English and Chinese."""

from __future__ import annotations

from functools import cache
from importlib import resources

import yaml
from markupsafe import Markup, escape


@cache
def texts() -> dict[str, dict[str, str]]:
    """Every sentence by its key and its language, ``en`` or ``zh``."""
    found: dict[str, dict[str, str]] = yaml.safe_load(
        resources.files("pumice.optimize.report").joinpath("texts.yaml").read_text("utf-8")
    )
    return found


def text(key: str, **figures: object) -> Markup:
    """A sentence in both languages; the page shows one of them.

    Args:
        key: Which one.
        figures: What is put into it.
    """
    english, chinese = _lines(key, figures)
    return both(english, chinese)


def both(english: str, chinese: str) -> Markup:
    """Two texts of which the page shows one; the English one in both where there is no Chinese one."""
    return Markup('<span lang="en">{}</span><span lang="zh">{}</span>').format(english, chinese or english)


def drawn(key: str, attributes: str, **figures: object) -> Markup:
    """A sentence in both languages as text of a picture.

    Args:
        key: Which one.
        attributes: Where and how it stands, as attributes of SVG's ``text``; they are ours, not a user's.
        figures: What is put into it.
    """
    english, chinese = map(escape, _lines(key, figures))
    place = Markup(attributes)  # noqa: S704 - numbers and names of this package alone
    return Markup('<text lang="en" {0}>{1}</text><text lang="zh" {0}>{2}</text>').format(place, english, chinese)


def _lines(key: str, figures: dict[str, object]) -> tuple[str, str]:
    known = texts()[key]
    return known["en"].format(**figures), known["zh"].format(**figures)
