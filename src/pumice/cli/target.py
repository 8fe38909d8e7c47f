"""Names a command without importing it."""

from __future__ import annotations

from typing import NamedTuple


class Target(NamedTuple):
    """Where a command is and what it does.

    Attributes:
        function: ``module:function``; its parameters are the command's arguments and options.
        summary: How its docstring begins.
    """

    function: str
    summary: str
