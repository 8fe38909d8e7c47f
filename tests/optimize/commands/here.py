"""Runs the command in this process: the libraries are imported once for all tests."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest

from pumice.cli.main import main


class Done(NamedTuple):
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def told(self) -> Any:
        """Its JSON."""
        return json.loads(self.out)


class Pumice:
    """``pumice`` on a home of its own.

    Args:
        capsys: Takes what it says.
    """

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *words: object) -> Done:
        """Run it to its end."""
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        said = self._capsys.readouterr()
        code = ended.value.code
        return Done(code if isinstance(code, int) else 0, said.out, said.err)
