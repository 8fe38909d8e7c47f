"""What a conversion tells."""

from __future__ import annotations

import msgspec


class Converted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A conversion that came to its end.

    Attributes:
        files: Names of the files that it wrote, flat in its folder.
        checked: How they were held against the original.
        notes: What was left out or is otherwise not as it was.
        libraries: Names and versions of what did it.
    """

    files: list[str]
    checked: str
    notes: list[str] = []
    libraries: dict[str, str] = {}
