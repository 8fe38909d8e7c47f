"""A real MLflow server of the tests' own, on SQLite, in the environment that the benchmarks have for it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

_ENVIRONMENT = Path(__file__).resolve().parents[2] / ".bench" / "peers" / "mlflow" / "bin"
START_S = 240.0
"""Longest that it may take to start (s): seconds on an idle machine, which it imports most of."""

MISSING = "MLflow is not set up (python -m benchmarks.setup_peers mlflow --no-models)"
"""Why tests that need it are skipped."""


def is_there() -> bool:
    """Whether MLflow's environment is set up."""
    return (_ENVIRONMENT / "mlflow").exists()


class MlflowServer:
    """A server; use it in a ``with`` block.

    Args:
        folder: Keeps its database and artefacts.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.url = ""

    def __enter__(self) -> Self:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        words = [
            *(str(_ENVIRONMENT / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
            *("--backend-store-uri", f"sqlite:///{self._folder}/mlflow.db"),
            *("--artifacts-destination", str(self._folder / "artefacts")),
        ]
        environ = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        environ.pop("PYTHONPATH", None)
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                words, cwd=self._folder, env=environ, stdout=log, stderr=log, start_new_session=True
            )
        end = time.monotonic() + START_S
        while not self._is_up():
            if time.monotonic() > end or self._process.poll() is not None:
                self._stop()
                raise AssertionError((self._folder / "log").read_text())
            time.sleep(0.1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # with the processes that it has started
        self._process.wait(30)

    def run(self, script: str) -> str:
        """Run a script with MLflow's own client, and return what it prints."""
        environ = os.environ | {"MLFLOW_TRACKING_URI": self.url, "MLFLOW_DISABLE_TELEMETRY": "true"}
        environ.pop("PYTHONPATH", None)
        words = [str(_ENVIRONMENT / "python"), "-W", "ignore", "-c", script]
        done = subprocess.run(words, cwd=self._folder, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _is_up(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", timeout=2.0).is_success
        except httpx.HTTPError:
            return False
