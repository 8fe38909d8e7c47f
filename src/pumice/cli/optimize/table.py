"""What an optimization found, as tables of the terminal."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from pumice.domain.evidence.verdict import Verdict
from pumice.optimize.findings import Report, VariantFinding
from pumice.optimize.progress import ContenderView, RaceView
from pumice.optimize.report import figures

_STYLES = {"offered": "bold green", "passed": "blue", "not-yet": "yellow", "failed": "red", "unbuilt": "dim"}
_WORDS = {
    "offered": "offered",
    "passed": "passed, not better",
    "not-yet": "not yet",
    "failed": "failed",
    "unbuilt": "not raced",
}
_VERDICTS = {
    Verdict.PASS: Text("pass", "green"),
    Verdict.FAIL: Text("fail", "red"),
    Verdict.NOT_YET: Text("not yet", "yellow"),
}


def frontier_table(report: Report) -> Table:
    """The variants beside the original, the best first."""
    labelled = report.data.labelled
    kind = "drop" if labelled else "disagreement"
    table = Table(
        title=f"{report.base.name}: {len(report.offered)} of {len(report.variants)} variants offered",
        title_justify="left",
        caption=(
            f"{kind} below {figures.points(report.max_drop, sign=False)} points, all verdicts together at "
            f"{report.confidence:.0%}; {report.data.certification:,} examples; latency pair by pair"
        ),
        caption_justify="left",
    )
    table.add_column("variant", overflow="fold")
    table.add_column("verdict")
    for heading in ("quality", f"{kind}, points", "latency, to the original", "size"):
        table.add_column(heading, justify="right")
    base = report.base
    timed = ", ".join(f"{shape}: {figures.milliseconds(value)}" for shape, value in base.latency_ms.items())
    table.add_row(
        base.name, "original", figures.percent(base.value), "", timed, figures.size(base.size_bytes), style="dim"
    )
    for variant in report.variants:
        table.add_row(*_cells(report, variant))
    return table


def reasons(report: Report) -> list[Text]:
    """Why each variant stands where it stands, a line each."""
    return [
        Text.assemble((f"{variant.name}: ", "bold"), reason)
        for variant in report.variants
        for reason in variant.reasons
    ]


def race_table(view: RaceView) -> Table:
    """A race at a moment."""
    table = Table(title=_step(view), title_justify="left", expand=False)
    table.add_column("variant", overflow="fold")
    table.add_column("stage")
    table.add_column("verdict")
    for heading in ("examples", "drop, points", "latency ×", "size ×"):
        table.add_column(heading, justify="right")
    table.add_column("", overflow="fold")
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
    words = _WORDS[how]
    if variant.quality and variant.quality.needed:
        words = f"{words}: about {variant.quality.needed:,} more examples"
    latency, quality = variant.latency_ms, variant.quality
    share = variant.size_bytes / max(report.base.size_bytes, 1)
    return [
        variant.name,
        Text(words, _STYLES[how]),
        figures.percent(quality.value) if quality else "–",
        figures.points_interval(quality.drop_interval) if quality else "–",
        f"{figures.ratio(latency.ratio)} × ({figures.ratio_interval(latency.ratio_interval)})" if latency else "–",
        f"{figures.size(variant.size_bytes)} ({share:.2f} ×)" if variant.size_bytes else "–",
    ]


def _standing(one: ContenderView) -> list[str | Text]:
    return [
        one.name,
        one.stage,
        _VERDICTS[one.verdict] if one.n else Text("–"),
        f"{one.n:,}" if one.n else "–",
        figures.points_interval(one.drop) if one.drop else "–",
        f"{one.ratio[0]:.2f} ({figures.ratio_interval(one.ratio[1:])})" if one.ratio else "–",
        f"{one.size_ratio:.2f}" if one.size_ratio is not None else "–",
        one.note,
    ]
