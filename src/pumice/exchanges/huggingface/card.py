"""The model card: ``README.md`` with YAML front matter, read, and written so that reading it gives back what it was.

Keys: https://huggingface.co/docs/hub/model-cards. What an export adds to a card stands between two comments in the
front matter; an import takes it out again, so the file comes back byte by byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import yaml

from pumice.domain.errors import MalformedInput
from pumice.protocol.safe_yaml import load_yaml

NAME = "README.md"
"""The card's file."""

_FENCE = "---"
_WHOLE = "# written by pumice: the whole card\n"
_FROM = "# written by pumice: from here\n"
_TO = "# written by pumice: up to here\n"


class Card(msgspec.Struct, frozen=True):
    """What a card says.

    Attributes:
        data: Its front matter.
        body: The text behind it.
        original: The card as it was before an export; None if the export wrote all of it.
    """

    data: dict[str, Any]
    body: str
    original: str | None


def read_card(text: str, what: str) -> Card:
    """Read a card; one without front matter has no data.

    Raises:
        MalformedInput: Its front matter is no YAML mapping of plain values.
    """
    head, body = _split(text)
    data = load_yaml(head, f"front matter of {what}") if head is not None else {}
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise MalformedInput(f"front matter of {what}", f"a {type(data).__name__} where a mapping is expected")
    return Card(data, body, _original(text, head, body))


def write_card(data: Mapping[str, Any], body: str) -> str:
    """Write a new card."""
    return f"{_FENCE}\n{_WHOLE}{_dump(data)}{_FENCE}\n\n{body}"


def add_to_card(text: str, data: Mapping[str, Any], what: str) -> str:
    """Add keys to a card that it does not have yet; the rest of it stays as it is.

    Raises:
        MalformedInput: Its front matter cannot be read.
    """
    card = read_card(text, what)
    added = {key: value for key, value in data.items() if key not in card.data}
    if not added:
        return text
    block = f"{_FROM}{_dump(added)}{_TO}"
    head, body = _split(text)
    if head is None:
        return f"{_FENCE}\n{block}{_FENCE}\n{text}"
    if head and not head.endswith("\n"):
        return text
    return f"{_FENCE}\n{head}{block}{_FENCE}\n{body}"


def _split(text: str) -> tuple[str | None, str]:
    """The front matter, None if there is none, and the body."""
    if not text.startswith(f"{_FENCE}\n"):
        return None, text
    rest = text[len(_FENCE) + 1 :]
    if rest.startswith(f"{_FENCE}\n"):
        return "", rest[len(_FENCE) + 1 :]
    head, fence, body = rest.partition(f"\n{_FENCE}\n")
    return (f"{head}\n", body) if fence else (None, text)


def _original(text: str, head: str | None, body: str) -> str | None:
    if head is None:
        return text
    if head.startswith(_WHOLE):
        return None
    before, begun, rest = head.partition(_FROM)
    _, ended, after = rest.partition(_TO)
    if not (begun and ended):
        return text
    kept = before + after
    return f"{_FENCE}\n{kept}{_FENCE}\n{body}" if kept else body


def _dump(data: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(data), sort_keys=False, allow_unicode=True, default_flow_style=False)
