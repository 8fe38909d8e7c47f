"""How commands print: JSON for programs, rich tables for people."""

from __future__ import annotations

import base64
import sys
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

if TYPE_CHECKING:
    from rich.console import Console

_EXCERPT = 6
"""Elements of an array that a table shows."""

_LONGEST = 60
"""Longest text that a table shows (characters)."""


def print_json(value: object) -> None:
    """Print a value as indented JSON; arrays become lists, byte strings text (or ``{"b64": …}`` if they are none)."""
    text = msgspec.json.format(msgspec.json.encode(plain(value), enc_hook=_encodable), indent=2)
    sys.stdout.write(text.decode() + "\n")


def plain(value: object) -> Any:
    """Turn arrays and byte strings inside a value into what JSON has."""
    if isinstance(value, np.ndarray):
        return [plain(item) for item in value.tolist()] if value.dtype.kind == "O" else value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"b64": base64.b64encode(value).decode()}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def console() -> Console:
    """Return the console of standard output; made late, because rich is slow to import."""
    from rich.console import Console

    return Console(highlight=False)


def excerpt(value: object) -> str:
    """Shorten a value to what fits into a table's cell."""
    if isinstance(value, np.ndarray):
        flat = [excerpt(item) for item in value.ravel()[:_EXCERPT].tolist()]
        return ", ".join(flat) + (", …" if value.size > _EXCERPT else "")
    if isinstance(value, float):
        return f"{value:.6g}"
    text = str(plain(value)).replace("\n", " ")
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _encodable(value: object) -> object:
    msg = f"{type(value).__name__} has no JSON form"
    raise NotImplementedError(msg)
