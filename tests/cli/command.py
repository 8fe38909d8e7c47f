"""Runs the command as a user does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]


def pumice(
    *words: str, environ: Mapping[str, str] | None = None, stdin: bytes = b"", cwd: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """Run ``pumice`` to its end and give back what it said."""
    kept = "PUMICE_HOME"  # else it would be the user's own
    clean = {name: value for name, value in os.environ.items() if name == kept or not name.startswith("PUMICE_")}
    done = subprocess.run(
        [sys.executable, "-m", "pumice.cli.main", *words],
        input=stdin,
        capture_output=True,
        env=clean | {"COLUMNS": "200"} | dict(environ or {}),
        cwd=cwd,
        timeout=100,
        check=False,
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())
