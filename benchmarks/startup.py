"""Start-up and size: spawn to first right answer, memory, and the time of two commands."""

import subprocess
import sys
import time
from statistics import median

from benchmarks import paths
from benchmarks.processes import NotReady, pss_megabytes, running
from benchmarks.samples import Results
from benchmarks.servers import SERVERS, Server, demo_server
from benchmarks.workloads import WORKLOADS


def run_startup(servers: tuple[str, ...], repeats: int, results: Results) -> None:
    """Measures cold starts of all servers in turn with the tiny model, and Pumice's own figures."""
    for number in range(repeats):
        turn = number % len(servers)
        for name in servers[turn:] + servers[:turn]:
            if "A" in SERVERS[name].workloads:
                cold_start(SERVERS[name], results)
        if "pumice" in servers:
            cold_start(demo_server(), results)
    if "pumice" in servers:
        results.extras["import_seconds"] = timed([sys.executable, "-c", "import pumice"], repeats)
        results.extras["interpreter_seconds"] = timed([sys.executable, "-c", "pass"], repeats)
        results.extras["help_seconds"] = timed([str(paths.pumice_command()), "--help"], repeats)


def cold_start(server: Server, results: Results) -> None:
    """Starts a server until its first right answer; of Pumice takes the memory too."""
    try:
        with running(server, WORKLOADS["A"]) as up:
            results.starts.setdefault(server.name, []).append(up.ready_seconds)
            if server.name == "pumice":
                results.extras["pss_mb"] = pss_megabytes(up.pid)
    except NotReady as problem:
        results.problems.append(str(problem))
        print(problem, flush=True)
    else:
        print(f"start  {server.name:<16} {up.ready_seconds:.3f} s", flush=True)


def timed(command: list[str], repeats: int) -> float:
    """Runs a command several times; returns the median of its wall time in seconds."""
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - began)
    return median(taken)
