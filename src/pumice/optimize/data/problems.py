"""What is wrong with the data: all of it is looked for, the first faults are told, and nothing is used."""

from __future__ import annotations

from pumice.domain.errors import BadSetting

_TOLD = 5
"""Faults that a message lists."""

_LONGEST = 160
"""Most characters of one fault."""


class Problems:
    """Collects faults of rows.

    Args:
        source: What the user gave, for the message.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._told: list[str] = []
        self._places: set[str] = set()

    def note(self, place: str, problem: str) -> None:
        """Note that something is wrong.

        Args:
            place: Where: ``line 3``, ``row 3``, or the name of a file.
            problem: What was found and what is expected.
        """
        if place not in self._places and len(self._told) < _TOLD:
            short = problem if len(problem) <= _LONGEST else problem[: _LONGEST - 1] + "…"
            self._told.append(f"{place}: {short}")
        self._places.add(place)

    def refuse_any(self, rows: int, allowed: str) -> None:
        """Refuse the data if anything is wrong.

        Args:
            rows: How many there are.
            allowed: What the model takes.

        Raises:
            BadSetting: Something is.
        """
        if not self._places:
            return
        bad = len(self._places)
        more = f"; and {bad - len(self._told):,} more" if bad > len(self._told) else ""
        given = f"{bad:,} of {rows:,} rows that cannot be used: {'; '.join(self._told)}{more}"
        raise BadSetting(self._source, given, f"{allowed}; mend these rows or leave them out")


def told_of(source: object) -> str:
    """What messages call the data."""
    return f"DATA '{source}'"
