"""Pumice beside itself: two servers at once on the tiny model, in slices that take turns.

What is compared differs by microseconds, far less than the machine changes from one start of a server to the next; so
both stay up, and the ratio is taken between neighbouring slices.

`doors`: everyone is let in, or callers show a key that has a rate of its own. `many`: one model, or 200 that are asked
in turn. A batch has one row there, as requests for different models cannot share one: with one model alone, batching
would hide what it costs to look a model up and to wake its replica.
"""

import http.client
import json
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks import paths
from benchmarks.processes import NotReady, Running, running
from benchmarks.rounds import Plan, line, one_load
from benchmarks.samples import Results
from benchmarks.servers import SERVERS, Server
from benchmarks.workloads import WORKLOADS, Workload

SLICE, WARM = 2.0, 0.3
"""Longest slice, and the load before it, in seconds."""
MODELS = 200
READY_LIMIT = 240.0
"""Seconds that all models of a server have to be ready: each has a process of its own, and two cores start them."""
RATE = "1000000"
"""Of the key: never reached, so that every request takes a token and none is refused."""

Make = Callable[[Path], tuple[Server, Server]]


@dataclass(frozen=True)
class Pair:
    """Two ways to run Pumice.

    Attributes:
        key: As in options and results.
        title: For people.
        connections: At how many connections it is measured.
        ways: Names of both, the plainer one first.
        make: Gives the servers, with a folder that they may keep things in.
    """

    key: str
    title: str
    connections: tuple[int, ...]
    ways: tuple[str, str]
    make: Make


def _pumice(name: str, *options: str, sources: tuple[str, ...] = ("mlp",)) -> Server:
    def command(workload: Workload, port: int) -> list[str]:
        named = [f"{source}={workload.model}" for source in sources]
        ports = ["--port", str(port), "--grpc-port", "0"]
        return [str(paths.pumice_command()), "serve", *named, *ports, "--replicas", "1", "--threads", "1", *options]

    return replace(SERVERS["pumice"], name=name, title=WAYS[name], command=command)


def _doors(folder: Path) -> tuple[Server, Server]:
    home = str(folder / "home")
    make = ["keys", "create", "--name", "bench", "--scope", "infer:mlp", "--rate", RATE, "--burst", RATE, "--json"]
    shown = subprocess.run(
        [str(paths.pumice_command()), *make],
        env=paths.environment() | {"PUMICE_HOME": home},
        capture_output=True,
        check=True,
    )
    key = {"authorization": f"Bearer {json.loads(shown.stdout)['key']}"}
    keyed = _pumice("pumice-keys", "--auth", "keys", "--home", home)
    keyed = replace(keyed, headers=lambda workload: workload.oip_headers() | key)
    return _pumice("pumice-open", "--auth", "none"), keyed


def _many(_: Path) -> tuple[Server, Server]:
    names = tuple(f"mlp{number:03}" for number in range(MODELS))
    single = ("--max-batch-size", "1")
    many = _pumice("pumice-many", *single, sources=names)
    return _pumice("pumice-one", *single), replace(
        many, path=lambda _: f"/v2/models/{names[-1]}/infer", models=names, start_limit=READY_LIMIT
    )


WAYS = {
    "pumice-open": "Pumice, `--auth none`",
    "pumice-keys": "Pumice, `--auth keys` and a rate limit",
    "pumice-one": "Pumice, one model",
    "pumice-many": f"Pumice, {MODELS} models in turn",
}
PAIRS = {
    pair.key: pair
    for pair in (
        Pair("doors", "tiny MLP, doors open and locked", (16, 64), ("pumice-open", "pumice-keys"), _doors),
        Pair("many", f"tiny MLP, one and {MODELS}, one row a batch", (1, 16), ("pumice-one", "pumice-many"), _many),
    )
}


def run_pair(plan: Plan, pair: Pair, results: Results) -> None:
    """Measures a pair and puts the samples into `results`."""
    short = replace(plan, seconds=min(plan.seconds, SLICE), warmup=min(plan.warmup, WARM))
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder, ExitStack() as stack:
            ups = [stack.enter_context(running(server, WORKLOADS["A"])) for server in pair.make(Path(folder))]
            for up in ups:
                _all_ready(up)
            for number in range(plan.rounds):
                for connections in plan.connections or pair.connections:
                    # each is first in every other round
                    for up in ups if number % 2 == 0 else reversed(ups):
                        sample = replace(one_load(short, up, connections, number), workload=pair.key)
                        results.samples.append(sample)
                        print(line(sample), flush=True)
    except NotReady as problem:
        results.problems.append(str(problem))
        print(problem, flush=True)


def _all_ready(up: Running) -> None:
    until = time.monotonic() + READY_LIMIT
    while time.monotonic() < until:
        connection = http.client.HTTPConnection("127.0.0.1", up.port, timeout=10)
        try:
            connection.request("GET", "/v2/health/ready")
            if connection.getresponse().status == http.client.OK:
                return
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        time.sleep(0.1)
    raise NotReady(f"{up.server.name} was not ready within {READY_LIMIT:g} s")
