"""What readers of every format give."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pumice.domain.errors import BadSetting

FORMATS: Mapping[str, str] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet"}
"""Formats by the suffixes of files."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the input.

    Attributes:
        values: Its values by column.
        error: Why it cannot be used, or an empty string.
        place: Where it stands, for people: ``line 3`` or ``row 3``, counted from 1, or an empty string.
    """

    values: Mapping[str, Any]
    error: str = ""
    place: str = ""


class Reader(Protocol):
    """A file of rows, read once from its beginning; use it in a ``with`` block."""

    @property
    def columns(self) -> Sequence[str]:
        """Its columns; of a file without a header, those of its first row."""

    @property
    def total(self) -> int:
        """Its size, in a unit of its own."""

    @property
    def position(self) -> int:
        """How much of that has been read."""

    def rows(self, skip: int) -> Iterator[Row]:
        """Read the rows after the first so many."""

    def close(self) -> None:
        """Close the file."""


def format_of(path: Path, wanted: str) -> str:
    """Return the format of a file: what is wanted, or else what its suffix says.

    Raises:
        BadSetting: Neither tells.
    """
    found = FORMATS.get(path.suffix.lower()) if wanted == "auto" else wanted
    if found is None:
        raise BadSetting(f"the file '{path}'", f"the suffix '{path.suffix}'", f"{', '.join(FORMATS)}; or --format")
    return found
