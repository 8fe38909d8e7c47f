"""A real server in its own process, on free ports."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

START_LIMIT = 120.0


@dataclass
class Addresses:
    """Where a server answers."""

    url: str
    grpc: str
    pid: int


class RunningServer:
    """``pumice serve`` with these arguments; use it in a ``with`` block.

    Args:
        arguments: Sources and options.
        home: Its home; a new one if left out.
        cwd: Its working directory.
        log_to: Descriptor that takes its log; a file that `logged` reads if left out.
        within: Command that runs it, for example a shell that sets limits.
    """

    def __init__(
        self,
        *arguments: str,
        home: Path | None = None,
        cwd: Path | None = None,
        log_to: int | None = None,
        within: Sequence[str] = (),
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="pumice-test-")
        folder = Path(self._folder.name)
        self.home = home or folder / "home"
        self.log = folder / "log.jsonl"
        self._announce = folder / "announce.json"
        self._arguments = arguments
        self._cwd = cwd
        self._log_to = log_to
        self._within = within
        self.process: subprocess.Popen[bytes]
        self.addresses: Addresses

    def __enter__(self) -> Self:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(*self._within, sys.executable, "-m", "pumice", "serve", *self._arguments),
                    *("--port", "0", "--grpc-port", "0", "--announce", str(self._announce)),
                ],
                stdout=self._log_to or log,
                stderr=self._log_to or log,
                cwd=self._cwd,
                env=os.environ | {"PUMICE_HOME": str(self.home)},
            )
        try:
            self._wait_until_announced()
        except BaseException:
            self._folder.cleanup()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
        finally:
            self._folder.cleanup()

    @property
    def url(self) -> str:
        """Base of the HTTP addresses."""
        return self.addresses.url

    @property
    def grpc(self) -> str:
        """Host and port of gRPC."""
        return self.addresses.grpc

    def stop(self) -> int:
        """Ask it to stop and wait; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait(timeout=60)

    def replicas(self) -> list[int]:
        """Process ids of its replicas."""
        return [pid for pid in self._children() if not _is_front(pid)]

    def fronts(self) -> list[int]:
        """Process ids of its front processes, if it has several."""
        return [pid for pid in self._children() if _is_front(pid)]

    def _children(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text(encoding="ascii")
        return [int(pid) for pid in children.split()]

    def logged(self) -> str:
        """All that it wrote."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def _wait_until_announced(self) -> None:
        for _ in range(int(START_LIMIT / 0.02)):
            try:
                code = self.process.wait(timeout=0.02)
            except subprocess.TimeoutExpired:
                if self._announce.exists():
                    self.addresses = Addresses(**json.loads(self._announce.read_text(encoding="utf-8")))
                    return
            else:
                msg = f"the server ended with {code} before it was ready:\n{self.logged()}"
                raise AssertionError(msg)
        self.kill()
        msg = f"the server was not ready within {START_LIMIT:g} s:\n{self.logged()}"
        raise AssertionError(msg)


def _is_front(pid: int) -> bool:
    try:
        return b"pumice.app.front" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it has just ended
        return False
