"""More requests than can be answered: how much of the capacity is left, and what those hear who are refused.

The models sleep in their replica (`models/slow.py`), so that what is seen is the server's own doing. The capacity is
measured first in each round, with the generator running: a closed loop whose callers keep the one replica busy. Then
comes an open loop, which sends at its times whatever the answers do, at multiples of that capacity.
"""

import json
from dataclasses import dataclass, replace

from benchmarks import paths
from benchmarks.bursts import Wish, burst
from benchmarks.floods import FLOOD, Burst, Flood, Flow, flood_of
from benchmarks.processes import NotReady, Running, running
from benchmarks.rounds import Plan
from benchmarks.samples import Results
from benchmarks.servers import SERVERS, Server
from benchmarks.workloads import WORKLOADS
from pumice.client.load import LoadJob, run_load

KEY = "overload"
TIMES = (0.5, 0.8, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
"""What is offered, as multiples of the capacity."""
FLOOD_SECONDS = 10.0
"""Shortest window of that one (s)."""
BODIES = tuple(
    json.dumps({"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [n, 1, 2, 3]}]}).encode()
    for n in range(16)
)


@dataclass(frozen=True)
class Case:
    """A model under a flood.

    Attributes:
        name: As in results.
        title: For people.
        model: Its class in `models/slow.py`.
        rows: Most rows of a batch.
        callers: Callers of the closed loop that measures the capacity.
        connections: Of the open loop: more than can be under way at once.
        deadline: Of every request (s).
    """

    name: str
    title: str
    model: str
    rows: int
    callers: int
    connections: int
    deadline: float


CASES = (
    Case("single", "10 ms a call, one row a call", "Single", 1, 4, 128, 0.25),
    Case("batches", "8 + 0.25 n ms a call of n rows, at most 4", "Batched", 4, 16, 256, 0.25),
)
BURST = 1.6
"""How much comes at once, as a multiple of what can be answered within the deadline."""
LONG = 2.0
"""A longer deadline for a second burst (s): only then is more than a second to be told."""


def run_overload(plan: Plan, results: Results) -> None:
    """Measures every case and puts the floods into `results`."""
    for number in range(plan.rounds):
        for case in CASES:
            try:
                with running(_server(case), WORKLOADS["A"]) as up:
                    _climb(plan, case, up, number, results)
            except NotReady as problem:
                results.problems.append(str(problem))
                print(problem, flush=True)


def _server(case: Case) -> Server:
    source = f"slow=benchmarks.models.slow:{case.model}"

    def command(_: object, port: int) -> list[str]:
        listen = ["--port", str(port), "--grpc-port", "-1", "--log-level", "error"]
        sizes = ["--replicas", "1", "--max-batch-size", str(case.rows)]
        return [str(paths.pumice_command()), "serve", source, *listen, *sizes]

    return replace(
        SERVERS["pumice"],
        name="pumice",
        command=command,
        path=lambda _: "/v2/models/slow/infer",
        bodies=lambda _: BODIES,
        check="benchmarks.overload:doubled",
    )


def doubled(index: int, answer: bytes) -> bool:
    """Whether an answer is twice what was sent; runs in the generator."""
    outputs = json.loads(answer)["outputs"]
    return list(map(float, outputs[0]["data"])) == [2.0 * index, 2.0, 4.0, 6.0]


def _climb(plan: Plan, case: Case, up: Running, number: int, results: Results) -> None:
    base = LoadJob(
        url=up.url,
        headers=up.server.headers(up.workload),
        bodies=BODIES,
        warmup_seconds=plan.warmup,
        seconds=plan.seconds,
        check=up.server.check,
        pids=(up.pid,),
    )
    closed = run_load(_changed(base, connections=case.callers))
    capacity = closed.requests_per_second
    print(f"overload {case.name} round {number + 1}  capacity {capacity:.1f} req/s {closed.failures}", flush=True)
    for times in TIMES:
        found = run_load(
            _changed(
                base,
                headers=base.headers | {"x-timeout-ms": f"{1000 * case.deadline:g}"},
                connections=case.connections,
                rate=times * capacity,
                seconds=max(plan.seconds, FLOOD_SECONDS) if times == FLOOD else plan.seconds,
                keep=True,
            )
        )
        flow = Flow(number, case.name, up.server.name, times, capacity, case.deadline)
        results.floods.append(flood_of(flow, found))
        print(_line(results.floods[-1]), flush=True)
    for deadline in (case.deadline, LONG):
        results.bursts.append(_come_back(replace(case, deadline=deadline), up, number, capacity))
        print(f"  {results.bursts[-1]}", flush=True)


def _come_back(case: Case, up: Running, number: int, capacity: float) -> Burst:
    """Sends a burst and lets those come back who are refused."""
    headers = up.server.headers(up.workload) | {"x-timeout-ms": f"{1000 * case.deadline:g}"}
    requests = round(BURST * case.deadline * capacity)
    first, refused, back, right, longest = burst(Wish(up.url, headers, BODIES[0], requests, case.deadline))
    return Burst(number, case.name, requests, case.deadline, first, refused, back, right, longest)


def _changed(job: LoadJob, **changes: object) -> LoadJob:
    return LoadJob(**{name: getattr(job, name) for name in job.__struct_fields__} | changes)


def _line(flood: Flood) -> str:
    return (
        f"  x{flood.times:<5g} offered {flood.offered:8.1f}  goodput {flood.goodput:7.1f} ({flood.kept:.3f})"
        f"  late {flood.late:.1f}  504 {flood.expired:.1f}  refused {flood.refused:.1f}  other {flood.other:.1f}"
        f"  accepted p50 {flood.accepted_p50_ms:.1f} p99 {flood.accepted_p99_ms:.1f} ms"
        f"  refusal p50 {flood.refusal_p50_ms:.2f} p99 {flood.refusal_p99_ms:.2f} max {flood.refusal_max_ms:.1f} ms"
        f"  told {flood.told:.3f}  CPU {flood.cpu:.3f}  generator {flood.generator_cpu:.3f}"
    )
