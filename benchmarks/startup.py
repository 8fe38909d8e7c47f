"""Start-up and size: spawn to first right answer, memory, and the time of two commands."""

import subprocess
import sys
import time
from statistics import median

from benchmarks import paths
from benchmarks.processes import NotReady, pss_megabytes, running
from benchmarks.samples import Results
from benchmarks.servers import SERVERS
from benchmarks.workloads import WORKLOADS


def run_startup(servers: tuple[str, ...], repeats: int, results: Results) -> None:
    """Measures cold starts of all servers in turn with the tiny model, then Pumice's own figures."""
    workload = WORKLOADS["A"]
    for number in range(repeats):
        turn = number % len(servers)
        for name in servers[turn:] + servers[:turn]:
            try:
                with running(SERVERS[name], workload) as up:
                    results.starts.setdefault(name, []).append(up.ready_seconds)
                    if name == "pumice":
                        results.extras["pss_mb"] = pss_megabytes(up.pid)
            except NotReady as problem:
                results.problems.append(str(problem))
    for name, taken in results.starts.items():
        print(f"start  {name:<16} {median(taken):.3f} s (median of {len(taken)})", flush=True)
    if "pumice" in servers:
        results.extras["import_seconds"] = timed([sys.executable, "-c", "import pumice"], repeats)
        results.extras["interpreter_seconds"] = timed([sys.executable, "-c", "pass"], repeats)
        results.extras["help_seconds"] = timed([str(paths.pumice_command()), "--help"], repeats)
    for name, value in results.extras.items():
        print(f"start  {name} {value:.3f}", flush=True)


def timed(command: list[str], repeats: int) -> float:
    """Runs a command several times; returns the median of its wall time in seconds."""
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - began)
    return median(taken)
