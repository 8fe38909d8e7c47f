"""A run that is killed again and again comes to the report of one that was not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from pumice.optimize.findings import Report
from pumice.optimize.run import optimize
from tests.optimize.race.field import plan_of, told_timer
from tests.optimize.race.killed import KINDS

FEW = (2, 1, 4, 9)
"""Lines of the journal at which a run dies: in a build, at once again, while it looks, in the race."""


def _run(folder: Path, lines: int) -> int:
    command = [sys.executable, "-m", "tests.optimize.race.killed", str(folder), str(lines)]
    return subprocess.run(command, check=False, timeout=120).returncode


@pytest.mark.parametrize("deaths", [FEW, pytest.param(tuple(range(1, 30)), marks=pytest.mark.long)])
def test_a_killed_run_comes_to_the_same_report(deaths: tuple[int, ...], tmp_path: Path) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    for lines in deaths:
        if _run(killed, lines) == 0:
            break
    assert not (killed / "report.json").exists() or len(deaths) > len(FEW)
    assert _run(killed, 0) == 0
    told = msgspec.json.decode((killed / "report.json").read_bytes(), type=Report)
    again = optimize(plan_of(killed, KINDS), lambda _: None, told_timer).report
    assert again == told
    straight = optimize(plan_of(whole, KINDS), lambda _: None, told_timer).report
    assert straight.variants == told.variants
    assert (straight.effort.evaluations, straight.data) == (told.effort.evaluations, told.data)
    assert [variant.name for variant in told.offered] == ["pruned"]
    journal = next(killed.glob("cache/*/journal.jsonl")).read_text(encoding="utf-8")
    keys = [msgspec.json.decode(line)["key"] for line in journal.splitlines()]
    assert len(keys) == len(set(keys))
