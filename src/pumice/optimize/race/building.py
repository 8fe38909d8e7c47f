"""Builds variants one after the other, in another process and within a time limit."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, Self

import msgspec

from pumice.optimize.race.builder import Told, Work, send
from pumice.optimize.race.plan import Candidate, Material

_LONGEST_REASON = 300


class Builders:
    """A process that builds; a new one takes its place when it crashed, or had to be ended.

    Args:
        seconds: Longest time that a build may take (s).
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._process: _Builder | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def build(self, candidate: Candidate, material: Material, target: Path) -> Told:
        """Build a variant.

        Args:
            candidate: The variant.
            material: What it is made from.
            target: Its folder; what an interrupted build left there is deleted.

        Returns:
            What came of it; the folder is whole if there is no problem, and not there if there is one.
        """
        part = target.with_name(target.name + ".part")
        for left in (part, target):
            shutil.rmtree(left, ignore_errors=True)
        part.mkdir(parents=True)
        told = part / "told.json"
        problem = self._run(Work(candidate, material, part / "model", told))
        result = Told(problem=problem) if problem else msgspec.json.decode(told.read_bytes(), type=Told)
        if not result.problem:
            (part / "model").rename(target)
        shutil.rmtree(part)
        return result

    def _run(self, work: Work) -> str:
        """Let the process work; tells why it gave no result, or nothing."""
        self._process = self._process or _Builder()
        problem = self._process.work(work, self._seconds)
        if problem:
            self._end()
        return problem

    def _end(self) -> None:
        if self._process:
            self._process.end()
            self._process = None


class _Builder:
    """The process."""

    def __init__(self) -> None:
        self._log = tempfile.TemporaryFile(prefix="pumice-build-")  # noqa: SIM115 - closed by `end`
        self._done, theirs = os.pipe()
        command = [sys.executable, "-m", "pumice.optimize.race.builder", str(theirs)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=self._log, stderr=self._log, pass_fds=(theirs,)
        )
        os.close(theirs)
        # a process that died at once is told of when it is given work
        with contextlib.suppress(BrokenPipeError):
            send(self._input, sys.path)

    @property
    def _input(self) -> IO[bytes]:
        stream = self._process.stdin
        assert stream is not None  # noqa: S101 - it is a pipe
        return stream

    def work(self, work: Work, seconds: float) -> str:
        """Do a work; tells why there is no result, or nothing."""
        with contextlib.suppress(BrokenPipeError):
            send(self._input, work)
        if not select.select([self._done], [], [], seconds)[0]:
            return f"it was not built within {seconds:g} s"
        if os.read(self._done, 1):
            return ""
        code = self._process.wait()
        if code < 0:
            return f"the process that built it was ended by signal {-code}"
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", "replace").strip().splitlines()
        return f"the process that built it failed: {lines[-1] if lines else f'code {code}'}"[:_LONGEST_REASON]

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        with contextlib.suppress(BrokenPipeError):
            self._input.close()
        self._log.close()
        os.close(self._done)
