"""Runs the command as a user does."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.support.ready import ready

ROOT = Path(__file__).parents[2]


def pumice(
    *words: str, environ: Mapping[str, str] | None = None, stdin: bytes = b"", cwd: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """Run ``pumice`` to its end and give back what it said."""
    kept = "PUMICE_HOME"  # else it would be the user's own
    clean = {name: value for name, value in os.environ.items() if name == kept or not name.startswith("PUMICE_")}
    code, out, err = ready().run(
        words, environ=clean | {"COLUMNS": "200"} | dict(environ or {}), cwd=cwd, stdin=stdin, timeout=100
    )
    return subprocess.CompletedProcess(words, code, out.decode(), err.decode())
