"""Starts a confined process, watches what it takes, and ends it."""

from __future__ import annotations

import contextlib
import io
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from pumice.domain.errors import BadArtefact, BadSetting
from pumice.protocol.frames import ErrorRecord, error_of
from pumice.runtime.confined.child import Done, Task
from pumice.runtime.confined.limits import Limits
from pumice.runtime.worker.sandbox import landlock, seccomp

_LOOK_EVERY_S = 0.05
_MOST_REPLY = 16 << 20
_KEPT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "VIRTUAL_ENV")


@dataclass(frozen=True)
class Work:
    """What a confined process is to do.

    Attributes:
        function: ``module:function`` of Pumice's own: called with the source, the folder for its results, `arguments`.
        source: The file or folder that it works on.
        out: An empty folder; what it writes is flat files in there.
        arguments: Keywords of JSON's types.
        libraries: Modules that it imports before it gives up its rights.
        hidden: Folders that it may not read in any case, but for the source.
    """

    function: str
    source: Path
    out: Path
    arguments: Mapping[str, object]
    libraries: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()


class Ended(BadArtefact):
    """A confined process was ended, or ended itself, before it was done."""


def missing() -> list[str]:
    """What this system cannot enforce; empty: all of it holds."""
    lacks = []
    if not landlock.version():
        lacks.append("files out of reach (Landlock, Linux 5.13)")
    if not seccomp.available():
        lacks.append("no network and no processes (seccomp filter on x86-64 or arm64)")
    return lacks


def run_confined(
    work: Work, limits: Limits, environ: Mapping[str, str], tell: Callable[[int], None], *, confined: bool = True
) -> Any:
    """Do a piece of work in a process of its own that can do next to nothing.

    Args:
        work: What is to be done.
        limits: How much it may take.
        environ: The environment of this process; little of it is handed on.
        tell: Told now and then how many bytes it has written.
        confined: Whether it gives up its rights; if not, only time and memory are limited.

    Returns:
        What the function gave back: JSON's types, from a process that may be hostile by then.

    Raises:
        BadSetting: The system cannot enforce what is wanted.
        Ended: It took too long, too much, or died.
        PumiceError: What it told.
    """
    lacks = missing() if confined else []
    if lacks:
        raise BadSetting("sandbox", f"a system that lacks: {'; '.join(lacks)}", "one that has it")
    with tempfile.TemporaryDirectory(prefix="pumice-confined-") as scratch:
        reading, writing = os.pipe()
        words = [sys.executable, "-P", "-m", "pumice.runtime.confined", str(writing), str(work.out), scratch]
        with io.FileIO(reading) as reply:
            try:
                process = subprocess.Popen(
                    words if confined else [*words, "free"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=[writing],
                    cwd=scratch,
                    env=_environment(environ, scratch),
                    start_new_session=True,  # no terminal to type into
                )
            finally:
                os.close(writing)
            try:
                _hand_over(process, work, limits)
                data = _Watch(process.pid, work, Path(scratch), limits, tell).read(reply)
            finally:
                process.kill()
                code = process.wait()
    return _result(data, code, work)


class _Watch:
    """Reads the reply and looks at what the process takes."""

    def __init__(self, pid: int, work: Work, scratch: Path, limits: Limits, tell: Callable[[int], None]) -> None:
        self._status = Path(f"/proc/{pid}/status")
        self._scratch = scratch
        self._work = work
        self._limits = limits
        self._tell = tell

    def read(self, reply: io.FileIO) -> bytes:
        """Read until the process ends or has taken too much."""
        deadline = time.monotonic() + self._limits.seconds
        data = bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(reply, selectors.EVENT_READ)
            while True:
                if selector.select(_LOOK_EVERY_S):
                    more = reply.read(1 << 16)
                    data += more
                    if not more or len(data) > _MOST_REPLY:
                        return bytes(data)
                if time.monotonic() > deadline:
                    raise self._ended(f"took longer than {self._limits.seconds:g} s")
                self._look()

    def _look(self) -> None:
        limits = self._limits
        memory, threads = self._taken()
        if memory > limits.memory:
            raise self._ended(f"took more than {limits.memory >> 20} MiB of memory")
        if threads > limits.threads:
            raise self._ended(f"started more than {limits.threads} threads")
        written, files = _space(self._work.out)
        spare, others = _space(self._scratch)
        if written + spare > limits.written or files + others > limits.files:
            raise self._ended(f"wrote more than {limits.written >> 20} MiB, or {limits.files} files")
        self._tell(written)

    def _taken(self) -> tuple[int, int]:
        """Memory of its own (bytes), and threads; nothing where the system does not tell."""
        try:
            lines = self._status.read_text(encoding="ascii", errors="replace").splitlines()
        except OSError:
            return 0, 0
        told = {key: value.split() for key, _, value in (line.partition(":") for line in lines)}
        kilobytes = sum(int(told[key][0]) for key in ("RssAnon", "RssShmem") if key in told)
        return kilobytes * 1024, int(told["Threads"][0]) if "Threads" in told else 0

    def _ended(self, problem: str) -> Ended:
        return Ended(str(self._work.source), f"reading it {problem}, and was ended", "allow more, if you trust it")


def _space(folder: Path) -> tuple[int, int]:
    """What a flat folder takes (bytes), and how many files are in it."""
    written = count = 0
    for file in os.scandir(folder):
        count += 1
        with contextlib.suppress(FileNotFoundError):  # it was taken away meanwhile
            written += file.stat(follow_symlinks=False).st_blocks * 512
    return written, count


def _hand_over(process: subprocess.Popen[bytes], work: Work, limits: Limits) -> None:
    task = Task(
        function=work.function,
        source=str(work.source),
        arguments=dict(work.arguments),
        libraries=work.libraries,
        hidden=work.hidden,
        memory=limits.memory,
        written=limits.written,
        seconds=limits.seconds,
    )
    assert process.stdin is not None  # noqa: S101 - it was asked for
    with contextlib.suppress(BrokenPipeError), process.stdin:  # it died; the reply that does not come will tell
        process.stdin.write(msgspec.json.encode(task))


def _environment(environ: Mapping[str, str], scratch: str) -> dict[str, str]:
    """Names that libraries need to be found, a home that is none, and one thread where a library would start many."""
    kept = {key: environ[key] for key in _KEPT if key in environ}
    paths = os.pathsep.join(path for path in sys.path if path)
    folders = dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME"), scratch)
    return kept | folders | {"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}


def _result(data: bytes, code: int, work: Work) -> Any:
    try:
        message = msgspec.json.decode(data, type=Done | ErrorRecord)
    except msgspec.DecodeError:
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        problem = f"the process that read it ended without a word ({how})"
        raise Ended(str(work.source), problem, "convert it where it was made") from None
    if isinstance(message, ErrorRecord):
        raise error_of(message, str(work.source))
    return message.result
