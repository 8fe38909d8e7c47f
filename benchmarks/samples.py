"""What was measured: samples by round, and the medians and paired ratios that are read from them."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from benchmarks.floods import Burst, Flood

FIGURES = ("requests_per_second", "p50_ms", "p99_ms", "cpu_ms")


@dataclass(frozen=True)
class Sample:
    """One server under one load in one round.

    Attributes:
        round: Number of the round, from 0.
        workload: Its key, that of a pair, or `grpc`.
        server: Its name.
        connections: How many connections were kept busy.
        requests: Right answers in the window.
        requests_per_second: Right answers a second.
        p50_ms: Median latency in milliseconds.
        p99_ms: 99th percentile of the latency in milliseconds.
        cpu_ms: CPU time of the server's whole process tree for one request, in milliseconds.
        failures: Failed requests by kind.
        generator_cpu_ms: What the load generator itself spent on a request, in milliseconds.
        front_cpu_ms: CPU time of the server's first process alone for one request, in milliseconds; 0: not measured.
    """

    round: int
    workload: str
    server: str
    connections: int
    requests: int
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    failures: dict[str, int]
    generator_cpu_ms: float
    front_cpu_ms: float = 0.0


@dataclass
class Results:
    """All that one run of the benchmark measured; JSON-ready through `as_json`.

    Attributes:
        machine: What it ran on.
        versions: Version of each server's main packages.
        samples: The load samples.
        bare: For workload B, one entry a round: `rows_per_second` by batch size, and `latency_ms`.
        floods: What more requests than can be answered made of a server.
        bursts: What became of those who came back as they were told.
        starts: Seconds from spawn to the first right answer, by server.
        extras: Other single figures by name: memory in MB, seconds of commands.
        optimized: Reports of the optimizer, a case each.
        problems: What could not be measured, and why.
    """

    machine: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    bare: list[dict[str, Any]] = field(default_factory=list)
    floods: list[Flood] = field(default_factory=list)
    bursts: list[Burst] = field(default_factory=list)
    starts: dict[str, list[float]] = field(default_factory=dict)
    extras: dict[str, float] = field(default_factory=dict)
    optimized: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def of(self, workload: str, server: str, connections: int) -> dict[int, Sample]:
        """Returns the samples of one case by round."""
        return {
            sample.round: sample
            for sample in self.samples
            if (sample.workload, sample.server, sample.connections) == (workload, server, connections)
        }

    def median(self, workload: str, server: str, connections: int, figure: str) -> float | None:
        """Returns the median of a figure over the rounds; None if it was not measured."""
        return middle(getattr(sample, figure) for sample in self.of(workload, server, connections).values())

    def ratio(self, case: tuple[str, int], figure: str, ours: str, theirs: str) -> float | None:
        """Returns the median over the rounds of our figure by theirs in the same round.

        Paired by round, since what else the machine does changes from round to round for both alike.
        """
        workload, connections = case
        own, other = self.of(workload, ours, connections), self.of(workload, theirs, connections)
        pairs = [(getattr(own[at], figure), getattr(other[at], figure)) for at in own.keys() & other.keys()]
        return middle(mine / peer for mine, peer in pairs if peer)

    def failures(self, workload: str, server: str) -> int:
        """Returns all failed requests of a server in a workload."""
        return sum(
            sum(sample.failures.values())
            for sample in self.samples
            if (sample.workload, sample.server) == (workload, server)
        )

    def servers(self, workload: str) -> list[str]:
        """Returns the servers measured in a workload, in the order of first measurement."""
        return list(dict.fromkeys(sample.server for sample in self.samples if sample.workload == workload))

    def as_json(self) -> dict[str, Any]:
        """Returns plain values for a JSON file."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Results":
        """Reads what `as_json` gave."""
        kinds = {"samples": Sample, "floods": Flood, "bursts": Burst}
        made = {name: [kind(**one) for one in value.get(name, [])] for name, kind in kinds.items()}
        return cls(**(value | made))


def middle(values: Iterable[float]) -> float | None:
    """Returns the median, or None of nothing."""
    found = list(values)
    return median(found) if found else None
