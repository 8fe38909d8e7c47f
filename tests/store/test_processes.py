"""Processes that are killed on the way, and processes that work on one store at once."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from pumice.db import Place
from tests.support.buckets import Bucket, bucket, s3
from tests.support.stores import cluster, postgres

__all__ = ["bucket", "cluster", "postgres", "s3"]

TRIALS, CAMPAIGN = 50, 1000
"""How many changes are killed: always, and by ``make test-all``."""


def run(module: str, *arguments: object, settings: Mapping[str, str] | None = None, within_s: float = 250) -> str:
    command = [sys.executable, "-m", module, *map(str, arguments)]
    environ = os.environ | {f"PUMICE_{key.upper()}": value for key, value in (settings or {}).items()}
    done = subprocess.run(command, capture_output=True, text=True, timeout=within_s, check=False, env=environ)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow(30)
@pytest.mark.timeout(CAMPAIGN * 2 + 160)
@pytest.mark.parametrize("trials", [TRIALS, pytest.param(CAMPAIGN, marks=pytest.mark.long)])
def test_a_kill_leaves_the_old_state_or_the_new(tmp_path: Path, trials: int) -> None:
    told = json.loads(run("tests.store.crashes", tmp_path / "home", trials, 7, within_s=trials * 2 + 150))
    assert told["trials"] == trials
    assert told["killed"] > trials // 5, "most changes came to their end before they were killed"


def test_a_kill_leaves_the_old_state_or_the_new_in_the_cloud_too(
    bucket: Bucket, postgres: Place, tmp_path: Path
) -> None:
    where = {"database": postgres.url, "store_url": bucket.url, "store_options": json.dumps(bucket.options)}
    trials = 8
    told = json.loads(run("tests.store.crashes", tmp_path / "home", trials, 8, settings=where))
    assert told["trials"] == trials
    assert told["killed"]


def test_pushers_a_reader_and_a_collector_see_no_half_version(tmp_path: Path) -> None:
    run("tests.store.crowd", tmp_path / "home", 12)
