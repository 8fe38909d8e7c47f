"""The root of the error tree."""

from __future__ import annotations

from typing import ClassVar


class PumiceError(Exception):
    """Root of every error that Pumice raises on purpose.

    Attributes:
        code: A stable slug of the class, for programs.
        title: The class in a few words, for people.
    """

    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"

    @property
    def message(self) -> str:
        """What was given, what is allowed, and what to do."""
        return self.title

    def __str__(self) -> str:
        return self.message
