"""What the demo prints."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from pumice.cli.demo.optimizing import Lightened
from pumice.cli.demo.traffic import Phase


def verdict(done: Lightened) -> str:
    """Which version is served, and why, in a sentence or two."""
    report = done.found.report
    margin = f"{report.max_drop * 100:g} points"
    if not report.offered:
        return (
            f"No variant is proven to lose less than {margin} and to be faster here, "
            f"so the original is served: {done.ref}."
        )
    best = report.offered[0]
    smaller = report.base.size_bytes / best.size_bytes
    speed = f", {1 / best.latency_ms.ratio:.2f} x as fast at least" if best.latency_ms else ""
    return (
        f"'{best.name}' is served: {done.ref}, signed and certified. It loses less than {margin} "
        f"(confidence {report.confidence:.0%}), is {smaller:.1f} x smaller{speed}."
    )


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
