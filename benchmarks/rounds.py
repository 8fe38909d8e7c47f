"""Runs the load rounds: all servers in turn, one at a time, round after round."""

import json
import subprocess
import sys
from dataclasses import dataclass

from benchmarks.processes import NotReady, Running, running
from benchmarks.samples import Results, Sample
from benchmarks.servers import SERVERS, Server
from benchmarks.workloads import Workload
from pumice.client.load import LoadJob, run_load


@dataclass(frozen=True)
class Plan:
    """How much to measure.

    Attributes:
        servers: Names, in the order of the first round; each later round begins one further.
        rounds: How often every server is measured; figures are medians over the rounds.
        seconds: Length of a measured window.
        warmup: Seconds of the same load before it.
        connections: Only these numbers of connections; empty for all that a workload has.
    """

    servers: tuple[str, ...]
    rounds: int
    seconds: float
    warmup: float
    connections: tuple[int, ...] = ()


def run_rounds(plan: Plan, workload: Workload, results: Results) -> None:
    """Measures one workload and puts the samples into `results`."""
    for number in range(plan.rounds):
        if workload.key == "B":
            results.bare.append(bare(plan.seconds / 4))
            print(f"B round {number + 1}: bare ONNX Runtime {results.bare[-1]}", flush=True)
        turn = number % len(plan.servers)
        for name in plan.servers[turn:] + plan.servers[:turn]:
            if workload.key not in SERVERS[name].workloads:
                continue
            try:
                measure(plan, workload, SERVERS[name], number, results)
            except NotReady as problem:
                results.problems.append(str(problem))
                print(problem, flush=True)


def measure(plan: Plan, workload: Workload, server: Server, number: int, results: Results) -> None:
    """Starts one server and measures it at every number of connections."""
    with running(server, workload) as up:
        for connections in plan.connections or workload.connections:
            sample = one_load(plan, up, connections, number)
            results.samples.append(sample)
            print(line(sample), flush=True)


def one_load(plan: Plan, up: Running, connections: int, number: int) -> Sample:
    """Puts one load on a running server."""
    found = run_load(
        LoadJob(
            url=up.url,
            paths=tuple(f"/v2/models/{model}/infer" for model in up.server.models),
            headers=up.server.headers(up.workload),
            bodies=up.server.bodies(up.workload),
            connections=connections,
            seconds=plan.seconds,
            warmup_seconds=plan.warmup,
            check=up.server.check,
            check_every=up.workload.check_every,
            pids=(up.pid,),
        )
    )
    return Sample(
        round=number,
        workload=up.workload.key,
        server=up.server.name,
        connections=connections,
        requests=found.requests,
        requests_per_second=found.requests_per_second,
        p50_ms=found.latency.p50_ms,
        p99_ms=found.latency.p99_ms,
        cpu_ms=found.server_cpu_ms_per_request or 0.0,
        failures=found.failures,
        generator_cpu_ms=found.generator_cpu_ms_per_request,
    )


def bare(seconds: float) -> dict[str, object]:
    """Measures ONNX Runtime without a server, in a process of its own."""
    done = subprocess.run([sys.executable, "-m", "benchmarks.bare", str(seconds)], capture_output=True, check=True)
    return json.loads(done.stdout)


def line(sample: Sample) -> str:
    """Writes one sample as a line."""
    return (
        f"{sample.workload} round {sample.round + 1}  {sample.server:<16}{sample.connections:>4} conn"
        f"{sample.requests_per_second:>10,.0f} req/s   p50 {sample.p50_ms:8.3f} ms   p99 {sample.p99_ms:8.3f} ms"
        f"   CPU {sample.cpu_ms:7.4f} ms   generator {sample.generator_cpu_ms:.4f} ms"
        f"   failed {sum(sample.failures.values())} {sample.failures or ''}"
    )
