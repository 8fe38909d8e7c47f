"""gRPC: what one `ModelInfer` costs beside a bare `grpc.aio` echo of the same bytes, and beside Triton's.

All servers are up together and get load in turn, in short slices: an idle one costs nothing, and what else the machine
does hits all alike. Each slice of a server is held against the echo's slice just before or after it.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np

from benchmarks.grpc_load import MODEL, first
from benchmarks.processes import NotReady, free_port, own_cpu_seconds, running, stop
from benchmarks.rounds import Plan, line
from benchmarks.samples import Results, Sample
from benchmarks.servers import ECHO, SERVERS, Server
from pumice.client.load.cpu import CpuMeter

KEY = "grpc"
CALLERS = (1, 16, 64)
SLICE = 0.5
"""Length of a slice (s)."""
SPOKEN = ("pumice", "triton")
"""Servers that speak gRPC."""


@dataclass(frozen=True)
class Target:
    """A server that takes load.

    Attributes:
        name: As in results.
        pid: Its first process.
        port: Where it listens.
        check: Whether it really runs the model.
    """

    name: str
    pid: int
    port: int
    check: bool = True


Order = Callable[[Target, int, float], dict]
"""Puts load on a target by so many callers for some seconds; returns what they saw."""


def run_grpc(plan: Plan, results: Results) -> None:
    """Measures `CALLERS` and puts the samples into `results`; a round is a slice of every server at every number."""
    with ExitStack() as stack:
        targets: list[Target] = []
        for name in (name for name in plan.servers if name in SPOKEN):
            try:
                targets.append(stack.enter_context(speaking(SERVERS[name])))
            except NotReady as problem:
                results.problems.append(str(problem))
                print(problem, flush=True)
        if not targets:
            return
        targets.insert(0, stack.enter_context(echo(asyncio.run(first(targets[0].port)))))
        order = stack.enter_context(generator())
        slices = max(1, round(plan.seconds / SLICE))
        counts = plan.connections or CALLERS
        for target in targets:
            for callers in counts:
                order(target, callers, plan.warmup)
        for number in range(plan.rounds * slices):
            turn = number % len(targets)
            for callers in counts:
                for target in targets[turn:] + targets[:turn]:
                    results.samples.append(one_slice(target, callers, number, order))
                    print(line(results.samples[-1]), flush=True)


def one_slice(target: Target, callers: int, number: int, order: Order) -> Sample:
    """Measures one server under one load."""
    tree, front = CpuMeter((target.pid,)), own_cpu_seconds(target.pid)
    found = order(target, callers, SLICE)
    whole, own = tree.seconds(), own_cpu_seconds(target.pid) - front
    taken = np.asarray(found["seconds"] or [0.0])
    requests = max(1, len(found["seconds"]))
    return Sample(
        round=number,
        workload=KEY,
        server=target.name,
        connections=callers,
        requests=len(found["seconds"]),
        requests_per_second=len(found["seconds"]) / SLICE,
        p50_ms=1000 * float(np.percentile(taken, 50)),
        p99_ms=1000 * float(np.percentile(taken, 99)),
        cpu_ms=1000 * whole / requests,
        failures=found["failures"],
        generator_cpu_ms=1000 * found["own"] / requests,
        front_cpu_ms=1000 * own / requests,
    )


@contextmanager
def speaking(server: Server) -> Iterator[Target]:
    """Runs a server with its gRPC port."""
    port, plain = free_port(), server.command
    with_port = replace(server, command=lambda workload, http: [*plain(workload, http), "--grpc-port", str(port)])
    with running(with_port, MODEL) as up:
        yield Target(server.name, up.pid, port)


@contextmanager
def echo(answer: bytes) -> Iterator[Target]:
    """Runs the bare server."""
    port = free_port()
    with NamedTemporaryFile() as kept:
        Path(kept.name).write_bytes(answer)
        command = [sys.executable, "-m", "benchmarks.grpc_echo", str(port), kept.name]
        process = subprocess.Popen(command, start_new_session=True)
        try:
            yield Target(ECHO, process.pid, port, check=False)
        finally:
            stop(process)


@contextmanager
def generator() -> Iterator[Order]:
    """Runs the process that the load comes from."""
    command = [sys.executable, "-m", "benchmarks.grpc_load"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def order(target: Target, callers: int, seconds: float) -> dict:
            wanted = {"port": target.port, "callers": callers, "seconds": seconds, "check": target.check}
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(wanted) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        try:
            yield order
        finally:
            with suppress(BrokenPipeError):
                process.communicate(timeout=10)
