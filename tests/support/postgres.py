"""A real PostgreSQL server of the tests' own: in a temporary folder, on a Unix socket, gone with the tests."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import uuid
from pathlib import Path
from types import TracebackType
from typing import Self

MISSING = "PostgreSQL is not installed (Debian: apt-get install postgresql)"
"""Why tests that need it are skipped."""

_USER = "postgres"


def binaries() -> Path | None:
    """Where its programs are: of the newest version that is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    if found:
        return found[-1].parent
    path = shutil.which("initdb")
    return Path(path).resolve().parent if path else None


class Cluster:
    """A server; use it in a ``with`` block, or start and stop it by hand in it."""

    def __init__(self) -> None:
        programs = binaries()
        assert programs is not None, MISSING
        self._programs = programs
        # Unix sockets have short names, so it is not in pytest's folder
        self.folder = Path(tempfile.mkdtemp(prefix="pumice-pg-"))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        if os.geteuid() == 0:  # it refuses to run as root
            user = pwd.getpwnam(_USER)
            os.chown(self.folder, user.pw_uid, user.pw_gid)
        options = ("-A", "trust", "-U", "pumice", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
        subprocess.run(self._command("initdb", "-D", self._data, *options), check=True, capture_output=True)
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    def start(self) -> None:
        """Start it and wait until it answers."""
        quick = ("fsync=off", "full_page_writes=off", "listen_addresses=", "shared_buffers=16MB", "max_connections=60")
        settings = [word for setting in quick for word in ("-c", setting)]
        with (self.folder.parent / f"{self.folder.name}.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command("postgres", "-D", self._data, "-k", str(self.folder), *settings), stdout=log, stderr=log
            )
        ready = [str(self._programs / "pg_isready"), "-q", "-t", "1", "-h", str(self.folder)]
        while subprocess.run(ready, check=False).returncode:
            assert self._process.poll() is None, Path(log.name).read_text(encoding="utf-8")

    def stop(self) -> None:
        """End it at once; what it had committed stays."""
        process = self._process
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=30)
        (self.folder.parent / f"{self.folder.name}.log").unlink(missing_ok=True)

    def new_database(self) -> str:
        """Make an empty database and return its URL."""
        name = f"t{uuid.uuid4().hex}"
        subprocess.run(
            [str(self._programs / "createdb"), "-h", str(self.folder), "-U", "pumice", name],
            check=True,
            capture_output=True,
        )
        return f"postgresql://pumice@/{name}?host={self.folder}"

    def _command(self, program: str, *arguments: str) -> list[str]:
        command = [str(self._programs / program), *arguments]
        if os.geteuid():
            return command
        return ["setpriv", f"--reuid={_USER}", f"--regid={_USER}", "--clear-groups", "--pdeathsig", "INT", *command]
