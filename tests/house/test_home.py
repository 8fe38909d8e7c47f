"""Tests leave the user's own home alone."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from pumice.config import load_settings
from tests.cli.command import pumice

TEMPORARY = Path(tempfile.gettempdir()).resolve()


def test_a_process_that_is_given_no_home_has_one_that_goes_with_the_run() -> None:
    assert load_settings({}).home_path.resolve().is_relative_to(TEMPORARY)
    checks = json.loads(pumice("doctor", "--json").stdout)
    assert str(load_settings({}).home_path) in json.dumps(checks)
    assert str(Path.home() / ".pumice") not in json.dumps(checks)
