"""What a measurement found, and how it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from pumice.cli.bench.job import Load
from pumice.cli.output import console
from pumice.client.load import Bucket, Latency, LoadResult

_BAR = 40
"""Width of the histogram's longest bar (characters)."""

_BARS = 20
"""Most bars of the histogram; neighbours are joined beyond that."""

_BUSY = 0.9
"""Share of its one core from which on the generator may be what limits."""


class BenchReport(msgspec.Struct, frozen=True):
    """What was measured.

    Attributes:
        model: Name of the model.
        version: The version that answered.
        url: The server.
        protocol: How tensors travelled.
        connections: Callers at once.
        rows: Rows of every request.
        seconds: Length of the measured time (s).
        requests: Right answers in that time.
        failed: Failed requests.
        failures: The same by kind.
        requests_per_second: Right answers a second.
        latency: Of the right answers (ms).
        cpu_ms_per_request: What an answer cost the server's processes (ms), or None if they could not be looked at.
        mean_batch_size: Rows of the batches that were run, or None if the server does not tell.
        generator_cpu_share: How busy the load generator was (1: all of its core).
        histogram: The latencies as a distribution.
    """

    model: str
    version: str
    url: str
    protocol: str
    connections: int
    rows: int
    seconds: float
    requests: int
    failed: int
    failures: dict[str, int]
    requests_per_second: float
    latency: Latency
    cpu_ms_per_request: float | None
    mean_batch_size: float | None
    generator_cpu_share: float
    histogram: tuple[Bucket, ...]


class Subject(NamedTuple):
    """What was measured: a version of a model of a server."""

    model: str
    version: str
    url: str


def report_of(result: LoadResult, load: Load, subject: Subject, mean_batch_size: float | None) -> BenchReport:
    """Put the figures together."""
    return BenchReport(
        model=subject.model,
        version=subject.version,
        url=subject.url,
        protocol=load.protocol,
        connections=load.connections,
        rows=load.rows,
        seconds=result.seconds,
        requests=result.requests,
        failed=result.failed,
        failures=result.failures,
        requests_per_second=result.requests_per_second,
        latency=result.latency,
        cpu_ms_per_request=result.server_cpu_ms_per_request,
        mean_batch_size=mean_batch_size,
        generator_cpu_share=result.generator_cpu_seconds / result.seconds,
        histogram=result.histogram,
    )


def show(report: BenchReport, result: LoadResult) -> None:
    """Print the figures and the histogram as people read them."""
    from rich.table import Table

    table = Table(title=f"{report.model} on {report.url}", show_header=False, title_justify="left")
    for row in _rows(report):
        table.add_row(*row)
    screen = console()
    screen.print(table)
    _show_histogram(joined(report.histogram))
    if report.generator_cpu_share > _BUSY:
        screen.print("The load generator was busy all the time: the server may be faster than this.", style="yellow")
    for example in result.failure_examples:
        screen.print(f"failed: {example}", style="red", markup=False)


def joined(histogram: Sequence[Bucket]) -> list[Bucket]:
    """Join neighbouring buckets until there are few enough to be drawn."""
    buckets = list(histogram)
    while len(buckets) > _BARS:
        pairs = [buckets[at : at + 2] for at in range(0, len(buckets), 2)]
        buckets = [Bucket(pair[-1].upto_ms, sum(bucket.count for bucket in pair)) for pair in pairs]
    return buckets


def _rows(report: BenchReport) -> list[tuple[str, str]]:
    latency = report.latency
    kinds = ", ".join(f"{count} {kind}" for kind, count in report.failures.items())
    size = "1 row" if report.rows == 1 else f"{report.rows} rows"
    how = f"{report.protocol}, {report.connections} connections, {size} a request, {report.seconds:.1f} s"
    return [
        ("load", how),
        ("throughput", f"{report.requests_per_second:,.1f} requests/s"),
        ("latency p50", f"{latency.p50_ms:.2f} ms"),
        ("latency p90", f"{latency.p90_ms:.2f} ms"),
        ("latency p99", f"{latency.p99_ms:.2f} ms"),
        ("latency max", f"{latency.max_ms:.2f} ms"),
        ("CPU a request", _or_unknown(report.cpu_ms_per_request, "ms", "the server's process is not known; see --pid")),
        ("mean batch", _or_unknown(report.mean_batch_size, "rows", "the server does not tell")),
        ("failed", f"{report.failed} ({kinds})" if report.failed else "0"),
    ]


def _or_unknown(value: float | None, unit: str, reason: str) -> str:
    return f"unknown ({reason})" if value is None else f"{value:.4g} {unit}"


def _show_histogram(buckets: Sequence[Bucket]) -> None:
    from rich.bar import Bar
    from rich.table import Table

    if not buckets:
        return
    highest = max(bucket.count for bucket in buckets)
    table = Table.grid(padding=(0, 1))
    table.add_column(justify="right")
    table.add_column(width=_BAR)
    table.add_column(justify="right")
    for bucket in buckets:
        table.add_row(f"≤ {bucket.upto_ms:.3g} ms", Bar(highest, 0, bucket.count, width=_BAR), f"{bucket.count:,}")
    console().print(table)
