"""What the demo prints."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from pumice.cli.demo.quality import MAX_DROP, Quality
from pumice.cli.demo.traffic import Phase
from pumice.optimize.measure import Interval


def quality_table(quality: Quality) -> Table:
    """Both versions side by side."""
    comparison = quality.comparison
    table = Table(
        caption="times: both in turn, INT8 / FP32 pair by pair",
        title=f"Sentiment model on {comparison.examples} held-out texts, one thread [95 %]",
        title_justify="left",
    )
    for heading in ("", "FP32", "INT8"):
        table.add_column(heading, justify="left" if not heading else "right")
    table.add_row("accuracy", percent(comparison.base_accuracy), percent(comparison.candidate_accuracy))
    table.add_row("accuracy drop", "", points(comparison.drop))
    table.add_row("same answer as FP32", "", percent(comparison.agreement))
    table.add_row("file", megabytes(comparison.base_bytes), megabytes(comparison.candidate_bytes))
    for latency in comparison.latency:
        name = f"latency of {latency.rows} text{'s' if latency.rows > 1 else ''}"
        table.add_row(name, f"{latency.base_ms:.2f} ms", f"{latency.candidate_ms:.2f} ms")
        table.add_row("  INT8 / FP32", "", ratio(latency.ratio))
    return table


def verdict(quality: Quality) -> str:
    """Which version is better here, and why, in one sentence."""
    comparison = quality.comparison
    slower = [latency.rows for latency in comparison.latency if latency.ratio.high >= 1.0]
    smaller = comparison.base_bytes / comparison.candidate_bytes
    if quality.int8_is_better:
        speed = min(1 / latency.ratio.value for latency in comparison.latency)
        return (
            f"INT8 is better here: {smaller:.1f} x smaller, at least {speed:.2f} x faster, loss within {MAX_DROP:.0%}."
        )
    if comparison.drop.high > MAX_DROP:
        why = f"the INT8 version may lose {comparison.drop.high:.1%}, more than the {MAX_DROP:.0%} allowed"
    else:
        why = f"INT8 is {smaller:.1f} x smaller but not proven faster at batch size {' and '.join(map(str, slower))}"
    return f"FP32 stays: {why}."


def traffic_table(phases: Sequence[Phase], served: str) -> Table:
    """What every protocol did."""
    table = Table(
        title=f"{served} served by two replicas of one thread to 32 callers",
        title_justify="left",
        caption="CPU: all processes of the server, a request",
    )
    table.add_column("protocol")
    for heading in ("requests", "a second", "p50 ms", "p99 ms", "CPU ms", "rows a batch", "failed"):
        table.add_column(heading, justify="right")
    for phase in phases:
        table.add_row(
            phase.name,
            f"{phase.requests}",
            f"{phase.per_second:.0f}",
            f"{phase.p50_ms:.1f}",
            f"{phase.p99_ms:.1f}",
            f"{phase.cpu_ms:.2f}",
            f"{phase.batch:.1f}",
            f"{phase.failed}",
        )
    table.add_section()
    total = sum(phase.requests for phase in phases)
    table.add_row("all", f"{total}", "", "", "", "", "", f"{sum(phase.failed for phase in phases)}")
    return table


def percent(interval: Interval) -> str:
    """A rate with its bounds."""
    return f"{interval.value:.2%} [{interval.low:.2%}, {interval.high:.2%}]"


def points(interval: Interval) -> str:
    """A difference of rates with its bounds."""
    return f"{interval.value:+.2%} [{interval.low:+.2%}, {interval.high:+.2%}]"


def ratio(interval: Interval) -> str:
    """A ratio with its bounds."""
    return f"{interval.value:.2f} [{interval.low:.2f}, {interval.high:.2f}]"


def megabytes(size: int) -> str:
    """A size in megabytes."""
    return f"{size / 1e6:.2f} MB"
