"""Starts a server in a process group of its own, waits for its first right answer, and ends all of it."""

import http.client
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from benchmarks import paths
from benchmarks.servers import Server
from benchmarks.workloads import Workload

STOP_LIMIT = 5.0
"""Seconds that a server has to end by itself."""


class NotReady(Exception):
    """A server did not come up, or answered wrongly; the message has the end of its log."""


@dataclass(frozen=True)
class Running:
    """A server that has answered rightly.

    Attributes:
        server: Which one.
        workload: What it serves.
        pid: Its first process.
        port: Where it listens.
        ready_seconds: From spawning it to its first right answer.
    """

    server: Server
    workload: Workload
    pid: int
    port: int
    ready_seconds: float

    @property
    def url(self) -> str:
        """Where requests go."""
        return f"http://127.0.0.1:{self.port}{self.server.path(self.workload)}"


@contextmanager
def running(server: Server, workload: Workload) -> Iterator[Running]:
    """Runs a server for the length of a `with` block; afterwards nothing of it is left.

    Raises:
        NotReady: It ended, or did not answer rightly in time.
    """
    paths.LOGS.mkdir(parents=True, exist_ok=True)
    log = paths.LOGS / f"{server.name}-{workload.key}.log"
    scratch = Path(tempfile.mkdtemp(prefix="bench-"))
    environment = paths.environment() | {"TMPDIR": str(scratch), "PUMICE_HOME": str(scratch / "home")}
    port = free_port()
    body, headers = server.bodies(workload)[0], server.headers(workload)
    answer_is_right = check_function(server.check)
    began = time.perf_counter()
    with log.open("wb") as out:
        process = subprocess.Popen(
            server.command(workload, port),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    try:
        path = server.path(workload)
        while not _answers(port, path, body, headers, answer_is_right):
            if process.poll() is not None or time.perf_counter() - began > server.start_limit:
                end = log.read_text(errors="replace")[-1500:]
                raise NotReady(f"{server.name} gave no right answer for workload {workload.key}; its log ends:\n{end}")
            time.sleep(0.01)
        yield Running(server, workload, process.pid, port, time.perf_counter() - began)
    finally:
        stop(process)
        shutil.rmtree(scratch, ignore_errors=True)


def check_function(name: str) -> Callable[[int, bytes], bool]:
    """Finds the function that a server names as its check."""
    module, _, function = name.partition(":")
    return getattr(import_module(module), function)


def _answers(
    port: int, path: str, body: bytes, headers: dict[str, str], answer_is_right: Callable[[int, bytes], bool]
) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        text = answer.read()
        return answer.status == 200 and answer_is_right(0, text)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def free_port() -> int:
    """Finds a port that is free, with the next one free too (Triton takes it for its metrics)."""
    while True:
        with socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", 0))
            port = int(one.getsockname()[1])
            with suppress(OSError, OverflowError):
                two.bind(("127.0.0.1", port + 1))
                return port


def stop(process: subprocess.Popen[bytes]) -> None:
    """Asks a server to end, then ends what is left of its session."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    until = time.monotonic() + STOP_LIMIT
    while members(process.pid) and time.monotonic() < until:
        process.poll()  # takes its exit code, so that it is no member any more
        time.sleep(0.02)
    for pid in members(process.pid):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def members(session: int) -> list[int]:
    """Lists the living processes of a session."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                fields = (entry / "stat").read_bytes().rpartition(b")")[2].split()
                if int(fields[3]) == session and fields[0] != b"Z":
                    found.append(int(entry.name))
    return found


def pss_megabytes(session: int) -> float:
    """Memory of a session in MB (10^6 bytes), shared pages divided among those who share them."""
    total = 0
    for pid in members(session):
        with suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
    return total * 1024 / 1e6


def own_cpu_seconds(pid: int) -> float:
    """CPU seconds of one process without its children, exact to the nanosecond."""
    return time.clock_gettime((~pid << 3) | 2)  # CPUCLOCK_SCHED in the kernel's posix-timers.h
