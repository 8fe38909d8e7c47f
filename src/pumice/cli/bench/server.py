"""A server that is started for a measurement and stopped after it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import msgspec

from pumice.domain.errors import BadArtefact, DeadlineExceeded

_LOOK_S = 0.02
_LAST_WORDS = 2000
"""How much of a failed server's log is shown (characters)."""


class Announced(msgspec.Struct, frozen=True):
    """Where a server answers.

    Attributes:
        url: Base of the HTTP addresses.
        pid: Its process.
        grpc: Host and port of gRPC.
    """

    url: str
    pid: int
    grpc: str | None = None


class OwnServer:
    """``pumice serve`` in a process of its own, on a free port of this machine; use it in a ``with`` block.

    Args:
        source: ``[NAME=]SOURCE``.
        options: Further options of ``pumice serve``.
        limit_s: Longest wait until it is ready (s).
    """

    def __init__(self, source: str, options: Sequence[str], limit_s: float) -> None:
        self._source = source
        self._options = options
        self._limit_s = limit_s
        self._folder = tempfile.TemporaryDirectory(prefix="pumice-bench-")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Announced:
        folder = Path(self._folder.name)
        announce, log = folder / "announce.json", folder / "log"
        listen = ("--host", "127.0.0.1", "--port", "0", "--grpc-port", "-1", "--announce", str(announce))
        words = [sys.executable, "-m", "pumice.cli.main", "serve", self._source, *self._options, *listen]
        with log.open("wb") as stream:
            self._process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)
        try:
            self._wait(self._process, announce, log)
            return msgspec.json.decode(announce.read_bytes(), type=Announced)
        except BaseException:
            self._stop()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _wait(self, process: subprocess.Popen[bytes], announce: Path, log: Path) -> None:
        for _ in range(int(self._limit_s / _LOOK_S)):
            try:
                code = process.wait(timeout=_LOOK_S)
            except subprocess.TimeoutExpired:
                if announce.exists():
                    return
            else:
                words = log.read_text(encoding="utf-8", errors="replace")[-_LAST_WORDS:].strip()
                raise BadArtefact(self._source, f"the server ended with exit code {code}", f"it said:\n{words}")
        raise DeadlineExceeded(f"{self._limit_s:g} s to load {self._source}")

    def _stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(timeout=self._limit_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._folder.cleanup()
