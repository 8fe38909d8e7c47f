"""Builds variants one after the other, each in a process of its own and within a time limit."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec

from pumice.optimize.race.builder import Told, Work, send
from pumice.optimize.race.plan import Candidate, Material

_LONGEST_REASON = 300


def build_apart(candidate: Candidate, material: Material, target: Path, seconds: float) -> Told:
    """Build a variant in a process of its own.

    Args:
        candidate: The variant.
        material: What it is made from.
        target: Its folder; what an interrupted build left there is deleted.
        seconds: Longest time that it may take (s).

    Returns:
        What came of it; the folder is whole if there is no problem, and gone if there is one.
    """
    part = target.with_name(target.name + ".part")
    for left in (part, target):
        shutil.rmtree(left, ignore_errors=True)
    part.mkdir(parents=True)
    told = part / "told.json"
    log = part / "log.txt"
    problem = _run(Work(candidate, material, part / "model", told), log, seconds)
    result = Told(problem=problem) if problem else msgspec.json.decode(told.read_bytes(), type=Told)
    if not result.problem:
        (part / "model").rename(target)
    shutil.rmtree(part)
    return result


def _run(work: Work, log: Path, seconds: float) -> str:
    """Run the process; tells why it gave no result, or nothing."""
    command = [sys.executable, "-m", "pumice.optimize.race.builder"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=output)
        stream = process.stdin
        assert stream is not None  # noqa: S101 - it is a pipe
        try:
            # a process that died at once is told of by its code
            with contextlib.suppress(BrokenPipeError):
                send(stream, work)
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            return f"it was not built within {seconds:g} s"
        finally:
            process.kill()
            process.wait()
            with contextlib.suppress(BrokenPipeError):
                stream.close()
    if not code and work.told.exists():
        return ""
    if code < 0:
        return f"the process that built it was ended by signal {-code}"
    lines = log.read_text("utf-8", "replace").strip().splitlines()
    return f"the process that built it failed: {lines[-1] if lines else f'code {code}'}"[:_LONGEST_REASON]
