"""A run that is killed again and again comes to the report of one that was not."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest

from pumice.optimize.findings import Report
from pumice.optimize.run import optimize
from tests.optimize.race.field import plan_of, told_timer
from tests.optimize.race.killed import KINDS

T = TypeVar("T")

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


def test_what_builds_ends_with_the_run_that_was_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.optimize.race.killed", str(tmp_path), "0", "hang"]
    with subprocess.Popen(command) as run:
        builder = int(_awaited(lambda: "".join(map(Path.read_text, tmp_path.glob("cache/*/variants/*/model/pid")))))
        run.send_signal(signal.SIGKILL)
    assert _awaited(lambda: _gone(builder))


def _gone(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except FileNotFoundError:
        return True
    return state.rpartition(")")[2].split()[0] == "Z"


def _awaited(look: Callable[[], T]) -> T:
    """What is seen once it is there."""
    end = time.monotonic() + 60.0
    while not (seen := look()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return seen
