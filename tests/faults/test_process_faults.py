"""Processes that die, are stopped or lose what they need, from outside."""

from __future__ import annotations

import fcntl
import os
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

import httpx
import pytest

from tests.faults.conftest import ROOT, Fault
from tests.support.server import RunningServer
from tests.support.wire import body, busy, infer, metric, output, until

GROUP = "To a process, from outside"
STORE = "To the machine and the store"
FAULTY = "m=tests.faults.models:Faulty"
GATED = "m=tests.support.models:Gated"


@pytest.fixture
def running() -> Iterator[RunningServer]:
    with RunningServer(GATED, cwd=ROOT) as server:
        yield server


@contextmanager
def full_pipe() -> Iterator[tuple[BinaryIO, int]]:
    """The two ends of a pipe that holds a page and that nobody reads."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    reader = os.fdopen(reading, "rb")
    try:
        yield reader, writing
    finally:
        os.close(writing)
        reader.close()


def killed(server: RunningServer, number: int = signal.SIGKILL) -> None:
    before = metric(server.url, "pumice_replica_restarts_total")
    os.kill(server.replicas()[0], number)
    until(lambda: metric(server.url, "pumice_replica_restarts_total") > before)


def test_an_idle_replica_is_killed(running: RunningServer, fault: Fault) -> None:
    fault.is_that(
        "An idle replica is killed", happens="It is replaced", caller="its answer, a little later", group=GROUP
    )
    fault.strikes()
    killed(running)
    fault.heals(running.url, "m")


def test_a_busy_replica_is_killed(running: RunningServer, fault: Fault, tmp_path: Path) -> None:
    fault.is_that(
        "A replica is killed in the middle of a call",
        happens="It is replaced, the call is run again",
        caller="its answer, a little later",
        group=GROUP,
    )
    with busy(running.url, "m", tmp_path / "gate") as held:
        fault.strikes()
        killed(running)
        (tmp_path / "gate").touch()
        assert output(held.result()) == [2, 4, 6, 8]
        fault.heals(running.url, "m")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_replica_is_asked_to_end(number: signal.Signals, running: RunningServer, fault: Fault) -> None:
    fault.is_that(
        f"A replica gets {number.name}", happens="Nothing: the front drains", caller="its answer", group=GROUP
    )
    before = running.replicas()
    os.kill(before[0], number)
    assert output(infer(running.url, "m")) == [2, 4, 6, 8]
    assert running.replicas() == before


def test_an_idle_replica_is_stopped(fault: Fault) -> None:
    fault.is_that(
        "An idle replica is stopped (SIGSTOP), or kept from its loop by something besides calls",
        happens="The next call finds that it takes nothing; it is replaced, the call is run",
        caller="its answer, behind the model's time limit",
        group=GROUP,
    )
    with RunningServer(GATED, "--timeout", "2", cwd=ROOT) as server:
        fault.strikes()
        [pid] = server.replicas()
        os.kill(pid, signal.SIGSTOP)
        assert output(infer(server.url, "m")) == [2, 4, 6, 8]
        assert metric(server.url, "pumice_replica_restarts_total") == 1
        assert "replica takes no calls" in server.logged()
        fault.heals(server.url, "m")


def test_a_replica_loses_its_folder(running: RunningServer, fault: Fault, tmp_path: Path) -> None:
    fault.is_that(
        "A replica's scratch folder and socket are deleted",
        happens="Nothing; the next replica gets a folder of its own",
        caller="its answer",
        group=GROUP,
    )
    pid = running.replicas()[0]
    environ = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    scratch = next(entry.partition(b"=")[2] for entry in environ if entry.startswith(b"TMPDIR="))
    shutil.rmtree(scratch.decode())
    assert output(infer(running.url, "m")) == [2, 4, 6, 8]
    fault.strikes()
    killed(running)
    fault.heals(running.url, "m")


def test_the_gateway_is_killed(fault: Fault, tmp_path: Path) -> None:
    fault.is_that(
        "The gateway is killed with accepted tasks",
        happens="Its replicas end; after a restart the tasks are finished",
        caller="a closed connection; the results, after the restart",
        group=GROUP,
    )
    gate, home = tmp_path / "gate", tmp_path / "home"
    with RunningServer(GATED, home=home, cwd=ROOT) as server:
        sent = httpx.post(f"{server.url}/predict", json=body(parameters={"gate": str(gate)}), timeout=60)
        replica = server.replicas()[0]
        server.kill()
        until(lambda: not alive(replica))
    gate.touch()
    fault.strikes()
    with RunningServer(GATED, home=home, cwd=ROOT) as server:
        result = f"{server.url}/result/{sent.json()['task_id']}"
        until(lambda: bool(httpx.get(result, timeout=60).json()["status"] == "completed"))
        fault.heals(server.url, "m")


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_gateway_is_asked_to_end(
    number: signal.Signals, running: RunningServer, fault: Fault, tmp_path: Path
) -> None:
    fault.is_that(
        f"The gateway gets {number.name} while a call runs",
        happens="It answers what it took, then ends with 0",
        caller="its answer",
        group=GROUP,
    )
    gate = tmp_path / "gate"
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(infer, running.url, "m", parameters={"gate": str(gate)})
        until(lambda: metric(running.url, "pumice_inflight_requests") == 1)
        running.process.send_signal(number)
        until(lambda: "stopping" in running.logged())
        gate.touch()
        assert output(held.result()) == [2, 4, 6, 8]
    assert running.stop() == 0


def test_nobody_reads_the_log(fault: Fault, tmp_path: Path) -> None:
    fault.is_that(
        "Nobody reads the server's log any more (a full pipe)",
        happens="It goes on; log lines are dropped",
        caller="its answer",
        group=STORE,
    )
    with full_pipe() as (_, log), RunningServer(FAULTY, cwd=ROOT, log_to=log) as server:
        for _ in range(150):
            assert infer(server.url, "m", [7] * 4, parameters={"do": "raise"}).status_code == 500
        assert output(infer(server.url, "m")) == [2, 4, 6, 8]


def test_the_reader_of_the_log_goes_away(fault: Fault) -> None:
    fault.is_that(
        "The reader of the server's log goes away (a closed pipe)",
        happens="It goes on without a log",
        caller="its answer",
        group=STORE,
    )
    with full_pipe() as (reader, log), RunningServer(FAULTY, cwd=ROOT, log_to=log) as server:
        reader.close()
        for _ in range(3):
            assert infer(server.url, "m", [7] * 4, parameters={"do": "raise"}).status_code == 500
        assert output(infer(server.url, "m")) == [2, 4, 6, 8]


def test_descriptors_run_out(fault: Fault) -> None:
    fault.is_that(
        "The gateway runs out of file descriptors",
        happens="Open connections are served; it accepts again when some are closed",
        caller="waits for its turn to connect",
        group=STORE,
    )
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard))
    try:
        server = RunningServer(GATED, cwd=ROOT).__enter__()  # it inherits the limit
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    with ExitStack() as stack:
        stack.push(server)
        kept = stack.enter_context(httpx.Client(timeout=60))
        ask = f"{server.url}/v2/models/m/infer"
        assert kept.post(ask, json=body()).status_code == 200
        address = ("127.0.0.1", int(server.url.rpartition(":")[2]))
        with ExitStack() as crowd:
            for _ in range(200):
                crowd.enter_context(socket.create_connection(address))
            assert kept.post(ask, json=body()).status_code == 200
            fault.strikes()
        fault.heals(server.url, "m")


def test_the_port_is_taken(fault: Fault) -> None:
    fault.is_that("The port is taken", happens="The server ends and says so", caller="no server", group=STORE)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-m", "pumice", "serve", GATED, "--port", port, "--grpc-port", "0"],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            timeout=120,
        )
    assert done.returncode == 2
    assert "port" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_home_cannot_be_made(fault: Fault, tmp_path: Path) -> None:
    fault.is_that(
        "The home cannot be written",
        happens="Inference goes on; tasks are refused",
        caller="503 for tasks, answers else",
        group=STORE,
    )
    (tmp_path / "file").touch()
    with RunningServer(GATED, home=tmp_path / "file" / "home", cwd=ROOT) as server:
        assert output(infer(server.url, "m")) == [2, 4, 6, 8]
        answer = httpx.post(f"{server.url}/predict", json=body(), timeout=60)
        assert answer.status_code == 503
        assert "home" in answer.text


def test_the_database_is_noise(fault: Fault, tmp_path: Path) -> None:
    fault.is_that(
        "The database of tasks is damaged",
        happens="The server ends as it starts, and names the file and what to do",
        caller="no server",
        group=STORE,
    )
    with RunningServer(GATED, home=tmp_path, cwd=ROOT) as server:
        assert httpx.post(f"{server.url}/predict", json=body(), timeout=60).status_code == 202
    file = next(tmp_path.glob("*.sqlite"))
    for rest in tmp_path.glob(f"{file.name}-*"):
        rest.unlink()
    file.write_bytes(b"noise" * 2000)
    broken = RunningServer(GATED, home=tmp_path, cwd=ROOT)
    with pytest.raises(AssertionError, match=rf"(?s)ended with 2.*{file.name}.*restore it from a copy"), broken:
        pass


def test_somebody_holds_the_database(fault: Fault, tmp_path: Path) -> None:
    fault.is_that(
        "Another program holds the database of tasks",
        happens="Tasks wait for it; inference goes on",
        caller="202 when it is free again",
        group=STORE,
    )
    with RunningServer(GATED, home=tmp_path, cwd=ROOT) as server, ThreadPoolExecutor(1) as pool:
        assert httpx.post(f"{server.url}/predict", json=body(), timeout=60).status_code == 202
        holder = sqlite3.connect(next(tmp_path.glob("*.sqlite")), isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        waiting = pool.submit(httpx.post, f"{server.url}/predict", json=body(), timeout=60)
        assert output(infer(server.url, "m")) == [2, 4, 6, 8]
        fault.strikes()
        holder.execute("COMMIT")
        holder.close()
        assert waiting.result().status_code == 202
        fault.heals(server.url, "m")
