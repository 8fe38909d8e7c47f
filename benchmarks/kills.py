"""A replica is killed every second under load; how many requests fail?"""

import os
import signal
import threading
from pathlib import Path

from benchmarks.processes import NotReady, running
from benchmarks.samples import Results
from benchmarks.servers import SERVERS
from benchmarks.workloads import WORKLOADS
from pumice.client.load import LoadJob, run_load

SECONDS = 20.0
CONNECTIONS = 32


def run_kills(results: Results) -> None:
    """Loads Pumice for 20 s, kills a replica (SIGKILL) each second, and counts."""
    server, workload = SERVERS["pumice"], WORKLOADS["A"]
    try:
        with running(server, workload) as up:
            stop, kills = threading.Event(), []
            killer = threading.Thread(target=_kill_every_second, args=(up.pid, stop, kills))
            killer.start()
            job = LoadJob(
                url=up.url,
                headers=server.headers(workload),
                bodies=server.bodies(workload),
                connections=CONNECTIONS,
                seconds=SECONDS,
                check=server.check,
                pids=(up.pid,),
            )
            result = run_load(job)
            stop.set()
            killer.join()
    except NotReady as problem:
        results.problems.append(str(problem))
        return
    results.extras["killed_replicas"] = len(kills)
    results.extras["requests_while_killing"] = result.requests
    results.extras["failed_while_killing"] = result.failed
    print(f"kills  {len(kills)} replicas killed, {result.requests} right answers, {result.failed} failed", flush=True)


def _kill_every_second(front: int, stop: threading.Event, kills: list[int]) -> None:
    while not stop.wait(1.0):
        children = Path(f"/proc/{front}/task/{front}/children").read_text().split()
        if children:
            os.kill(int(children[-1]), signal.SIGKILL)
            kills.append(int(children[-1]))
