"""What writers of every format do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

ERROR = "error"
"""Column that says why a row has no result."""


class Writer(Protocol):
    """A file of results that grows beside its final place, and moves there when it is whole."""

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows."""

    def sync(self) -> int:
        """Bring to the disk what was written; return the place from which to go on."""

    def finish(self) -> None:
        """Bring all to the disk and move it to its place."""

    def close(self) -> None:
        """Stop where it is."""
