"""What an optimization found, as tables of the terminal."""

from __future__ import annotations

from typing import Any

import typer
from rich.table import Table
from rich.text import Text

from pumice.cli.output import console
from pumice.domain.evidence.verdict import Verdict
from pumice.optimize.findings import Report, VariantFinding
from pumice.optimize.progress import ContenderView, RaceView
from pumice.optimize.report import figures

_CLOSE: dict[str, Any] = {"box": None, "padding": (0, 2, 0, 0), "pad_edge": False, "header_style": "bold underline"}
"""What makes a table narrow enough for six columns of figures on a small terminal."""

_STYLES = {"offered": "bold green", "passed": "blue", "not-yet": "yellow", "failed": "red", "unbuilt": "dim"}
_WORDS = {
    "offered": "offered",
    "passed": "no gain",
    "not-yet": "not yet",
    "failed": "failed",
    "unbuilt": "–",
}
_VERDICTS = {
    Verdict.PASS: Text("pass", "green"),
    Verdict.FAIL: Text("fail", "red"),
    Verdict.NOT_YET: Text("not yet", "yellow"),
}


def show_found(report: Report) -> None:
    """Print what was found: the table, the reasons, and what agreement and drop mean."""
    out = console()
    out.print(frontier_table(report))
    for line in reasons(report):
        out.print(line, soft_wrap=True)
    typer.echo(f"agree: {report.agree}\ndrop: {report.drop}")


def frontier_table(report: Report) -> Table:
    """The variants beside the original, the best first; it fits into 80 columns."""
    base, labelled = report.base, report.data.labelled
    kind = "drop" if labelled else "differ"
    timed = ", ".join(f"{figures.milliseconds(value)} ({shape})" for shape, value in base.latency_ms.items())
    told = [figures.size(base.size_bytes), *([timed] if timed else [])]
    table = Table(
        title=f"{base.name}: {len(report.offered)} of {len(report.variants)} variants offered",
        title_justify="left",
        caption=(
            f"{'drop' if labelled else 'disagreement'} below {figures.points(report.max_drop, sign=False)} points, all "
            f"verdicts together at {report.confidence:.0%}, {report.data.certification:,} examples; time and size by "
            f"those of the original: {', '.join(told)} (rows x threads)"
        ),
        caption_justify="left",
        **_CLOSE,
    )
    table.add_column("variant", overflow="fold")
    table.add_column("verdict", no_wrap=True)
    for heading in ("quality", f"{kind} (pt)", "time ×", "size ×"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_row(base.name, "original", figures.percent(base.value), "", "1", "1", style="dim")
    for variant in report.variants:
        table.add_row(*_cells(report, variant))
    return table


def reasons(report: Report) -> list[Text]:
    """Why each variant stands where it stands, a line each, and how many examples would decide what is open."""
    return [
        Text.assemble((f"{variant.name}: ", "bold"), reason)
        for variant in report.variants
        for reason in (*variant.reasons, *_needed(variant))
    ]


def _needed(variant: VariantFinding) -> list[str]:
    needed = variant.quality.needed if variant.quality else None
    told = needed is None or any(f"{needed:,}" in reason for reason in variant.reasons)
    return [] if told else [f"about {needed:,} more examples would prove its quality"]


def race_table(view: RaceView) -> Table:
    """A race at a moment; below it stands why some have left."""
    left = "\n".join(f"{one.name}: {one.note}" for one in view.contenders if one.note)
    table = Table(title=_step(view), title_justify="left", caption=left, caption_justify="left", **_CLOSE)
    table.add_column("variant", overflow="fold")
    table.add_column("", no_wrap=True)
    for heading in ("examples", "drop (pt)", "time ×", "size ×"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in view.contenders:
        table.add_row(*_standing(one), style="dim" if one.stage == "done" and one.verdict is not Verdict.PASS else None)
    return table


def race_line(view: RaceView) -> str:
    """A race at a moment, in one line for a log."""
    racing = sum(one.stage != "done" for one in view.contenders)
    return f"{_step(view)}; {racing} of {len(view.contenders)} variants still in the race"


def _step(view: RaceView) -> str:
    return f"{view.step}: {view.done:,} of {view.total:,} examples" if view.total and view.done else view.step


def _cells(report: Report, variant: VariantFinding) -> list[str | Text]:
    how = figures.standing(variant)
    latency, quality = variant.latency_ms, variant.quality
    share = variant.size_bytes / max(report.base.size_bytes, 1)
    return [
        variant.name,
        Text(_WORDS[how], _STYLES[how]),
        figures.percent(quality.value) if quality else "–",
        _narrow(figures.points_interval(quality.drop_interval)) if quality else "–",
        f"{figures.ratio(latency.ratio)} [{_narrow(figures.ratio_interval(latency.ratio_interval))}]"
        if latency
        else "–",
        f"{share:.2f}" if variant.size_bytes else "–",
    ]


def _narrow(interval: str) -> str:
    return interval.replace(" … ", "…")


def _standing(one: ContenderView) -> list[str | Text]:
    decided = one.n and (one.stage in {"racing", "done"} or one.verdict is not Verdict.NOT_YET)
    return [
        one.name,
        _VERDICTS[one.verdict] if decided else one.stage,
        f"{one.n:,}" if one.n else "–",
        _narrow(figures.points_interval(one.drop)) if one.drop else "–",
        f"{one.ratio[0]:.2f} [{_narrow(figures.ratio_interval(one.ratio[1:]))}]" if one.ratio else "–",
        f"{one.size_ratio:.2f}" if one.size_ratio is not None else "–",
    ]
