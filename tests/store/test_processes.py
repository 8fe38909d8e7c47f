"""Processes that are killed on the way, and processes that work on one store at once."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pumice.db import Place
from tests.support.buckets import Bucket, bucket, s3
from tests.support.stores import cluster, postgres

__all__ = ["bucket", "cluster", "postgres", "s3"]

TRIALS = int(os.environ.get("CRASH_TRIALS", "100"))
"""How many changes are killed; 1,000 takes about ten times as long."""


def run(module: str, *arguments: object, **settings: str) -> str:
    command = [sys.executable, "-m", module, *map(str, arguments)]
    environ = os.environ | {f"PUMICE_{key.upper()}": value for key, value in settings.items()}
    done = subprocess.run(command, capture_output=True, text=True, timeout=TRIALS * 2 + 150, check=False, env=environ)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow(60)
@pytest.mark.timeout(TRIALS * 2 + 160)
def test_a_kill_leaves_the_old_state_or_the_new(tmp_path: Path) -> None:
    told = json.loads(run("tests.store.crashes", tmp_path / "home", TRIALS, 7))
    assert told["trials"] == TRIALS
    assert told["killed"] > TRIALS // 4, "most changes came to their end before they were killed"


def test_a_kill_leaves_the_old_state_or_the_new_in_the_cloud_too(
    bucket: Bucket, postgres: Place, tmp_path: Path
) -> None:
    where = {"database": postgres.url, "store_url": bucket.url, "store_options": json.dumps(bucket.options)}
    trials = max(8, TRIALS // 10)
    told = json.loads(run("tests.store.crashes", tmp_path / "home", trials, 8, **where))
    assert told["trials"] == trials
    assert told["killed"]


def test_pushers_a_reader_and_a_collector_see_no_half_version(tmp_path: Path) -> None:
    run("tests.store.crowd", tmp_path / "home", 12)
