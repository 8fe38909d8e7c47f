"""A server that the suite starts, watches and ends."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

START_S = 90.0


class Managed:
    """A server's process.

    Args:
        command: Its command line; `{port}` and `{folder}` (an empty one each time) are filled in.
    """

    def __init__(self, command: str) -> None:
        self._command = command
        self.port = _free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="torture-"))
        self.log = self._folder / "log.txt"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, on the port it had before."""
        self.end()
        work = Path(tempfile.mkdtemp(dir=self._folder))
        words = shlex.split(self._command.replace("{port}", str(self.port)).replace("{folder}", str(work)))
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)

    def running(self) -> bool:
        """Whether its process is there."""
        return self.process is not None and self.process.poll() is None

    def terminate(self) -> None:
        """Ask it to stop."""
        if self.process is not None:
            self.process.terminate()

    def wait(self, limit: float) -> int | None:
        """Wait for its end; its exit code, or None if it has none by then."""
        if self.process is None:
            return None
        try:
            return self.process.wait(limit)
        except subprocess.TimeoutExpired:
            return None

    def end(self) -> None:
        """End it and all that it started."""
        if self.process is None:
            return
        for pid in {self.process.pid, *descendants(self.process.pid), *self.family()}:
            _kill(pid)
        self.process.wait()
        end = time.monotonic() + 10
        while _taken(self.port) and time.monotonic() < end:
            time.sleep(0.1)
        self.process = None

    def close(self) -> None:
        """End it and remove what it left."""
        self.end()
        shutil.rmtree(self._folder, ignore_errors=True)

    def family(self) -> list[int]:
        """All processes of its session that still run, also those whose parent has gone."""
        if self.process is None:
            return []
        return [pid for pid, state, session in _processes() if session == self.process.pid and state != "Z"]

    def memory(self) -> int:
        """Resident memory of it and all its processes (bytes)."""
        if self.process is None:
            return 0
        return sum(_resident(pid) for pid in (self.process.pid, *descendants(self.process.pid)))


def descendants(pid: int) -> list[int]:
    """Children of a process, and theirs."""
    found: list[int] = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(word) for word in file.read_text(encoding="ascii").split()]
        except OSError:  # it has just ended
            continue
        for child in children:
            found += [child, *descendants(child)]
    return found


def _processes() -> Iterator[tuple[int, str, int]]:
    """Each process with its state and its session."""
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, _, rest = file.read_text(encoding="utf-8", errors="replace").partition(" ")
        except OSError:  # it has just ended
            continue
        state, _, _, session = rest.rpartition(")")[2].split()[:4]
        yield int(pid), state, int(session)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _resident(pid: int) -> int:
    try:
        pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port


def _taken(port: int) -> bool:
    with socket.socket() as found:
        return found.connect_ex(("127.0.0.1", port)) == 0
