"""A server that a command starts for itself and ends again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from pumice.domain.errors import BadArtefact, ModelFailed

_STOP_LIMIT = 40.0
_LOOK_EVERY = 0.02
_LOG_LINES = 12
_REFUSED = 2
"""Exit code of a wrong command line or file."""


class Announcement(msgspec.Struct, frozen=True):
    """What ``pumice serve --announce`` writes.

    Attributes:
        url: Base of the HTTP addresses.
        grpc: Host and port of gRPC, or None.
        pid: Process id of the front.
    """

    url: str
    grpc: str | None
    pid: int


class OwnServer:
    """``pumice serve`` on free ports, in a process group of its own; use it in a ``with`` block.

    Args:
        arguments: What follows ``pumice serve``.
        name: What to call it in an error.
        start_limit: Longest that it may take to be ready (s).

    Attributes:
        at: Where it answers; known inside the block.
        ready_seconds: How long it took to be ready (s).
    """

    at: Announcement

    def __init__(self, *arguments: str, name: str = "the server", start_limit: float = 120.0) -> None:
        self._arguments = arguments
        self._name = name
        self._start_limit = start_limit
        self._folder = tempfile.TemporaryDirectory(prefix="pumice-own-")
        self._log = Path(self._folder.name) / "log"
        self._process: subprocess.Popen[bytes] | None = None
        self.ready_seconds = 0.0

    def __enter__(self) -> Self:
        """Start it and wait until it is ready.

        Raises:
            BadArtefact: It refused its command line or a file; the message has the end of its log.
            ModelFailed: It ended, or was not ready in time; the message has the end of its log.
        """
        started = time.monotonic()
        announce = Path(self._folder.name) / "announce.json"
        ports = ["--port", "0"] if "--port" not in self._arguments else []
        ports += ["--grpc-port", "0"] if "--grpc-port" not in self._arguments else []
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-P", "-m", "pumice", "serve", *self._arguments, *ports),
                    *("--announce", str(announce)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the command, which then stops the server in order
            )
        try:
            self._wait_until_ready(announce, started)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it in order."""
        self.stop()

    def replicas(self) -> list[int]:
        """Process ids of its replicas."""
        children = Path(f"/proc/{self.at.pid}/task/{self.at.pid}/children")
        return [int(pid) for pid in children.read_text(encoding="ascii").split()]

    def stop(self) -> None:
        """Let it drain and end; kill it if that takes too long."""
        process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout=_STOP_LIMIT)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self._folder.cleanup()

    def wait(self) -> int:
        """Wait until it ends by itself, and return its exit code."""
        assert self._process is not None  # noqa: S101 - it was started
        return self._process.wait()

    def _wait_until_ready(self, announce: Path, started: float) -> None:
        assert self._process is not None  # noqa: S101 - it was started
        while time.monotonic() - started < self._start_limit:
            try:
                code = self._process.wait(timeout=_LOOK_EVERY)
            except subprocess.TimeoutExpired:
                if announce.exists():
                    self.at = msgspec.json.decode(announce.read_bytes(), type=Announcement)
                    self.ready_seconds = time.monotonic() - started
                    return
            else:
                if code == _REFUSED:
                    raise BadArtefact(self._name, "cannot be served", f"the server said:\n{self._log_end()}")
                raise ModelFailed(self._name, f"it ended with exit code {code} while starting\n{self._log_end()}")
        raise ModelFailed(self._name, f"it was not ready within {self._start_limit:g} s\n{self._log_end()}")

    def _log_end(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-_LOG_LINES:])
