"""Outcomes as lines, JSON and a Markdown table."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.torture.verdicts import PROBES, Outcome, Verdict

SHORT = {Verdict.PASS: "pass", Verdict.FAIL: "**FAIL**", Verdict.NOT_APPLICABLE: "–"}
RESTARTED = " (the server did not answer afterwards and was started again)"


@dataclass(frozen=True)
class Run:
    """One server's run, as its JSON holds it.

    Attributes:
        server: Name and version.
        date: Day of the run.
        remark: How it was set up.
        rows: `{"probe", "verdict", "told", "seconds", "restarted"}` each.
    """

    server: str
    date: str
    remark: str
    rows: list[dict[str, Any]]


def line(outcome: Outcome) -> str:
    """One outcome for people."""
    told = outcome.told + (RESTARTED if outcome.restarted else "")
    return f"{outcome.verdict:<14} {outcome.probe.name:<22} {outcome.seconds:6.1f} s  {told}"


def summary(outcomes: Sequence[Outcome]) -> str:
    """All of them in a line."""
    counts = Counter(outcome.verdict for outcome in outcomes)
    restarts = sum(outcome.restarted for outcome in outcomes)
    told = ", ".join(f"{counts[verdict]} {verdict.lower()}" for verdict in Verdict)
    return f"{len(outcomes)} probes: {told}; started again {restarts} times"


def row(outcome: Outcome) -> dict[str, Any]:
    """One outcome for programs."""
    return {
        "probe": outcome.probe.name,
        "verdict": str(outcome.verdict),
        "told": outcome.told,
        "seconds": round(outcome.seconds, 1),
        "restarted": outcome.restarted,
    }


def dump(run: Run) -> str:
    """A run as JSON."""
    return json.dumps(run.__dict__, indent=1, ensure_ascii=False) + "\n"


def load(text: str) -> Run:
    """A run from its JSON."""
    return Run(**json.loads(text))


def markdown(runs: Sequence[Run]) -> str:
    """Runs side by side, then what was seen where a server failed."""
    lines = ["| probe | asked | ground | " + " | ".join(run.server for run in runs) + " |"]
    lines.append("|---" * (3 + len(runs)) + "|")
    found = [{entry["probe"]: entry for entry in run.rows} for run in runs]
    for probe in PROBES:
        cells = [_cell(rows.get(probe.name)) for rows in found]
        lines.append(f"| `{probe.name}` | {_safe(probe.asks)} | {probe.ground} | " + " | ".join(cells) + " |")
    totals = [_total(run) for run in runs]
    lines += ["| | **passed of those that apply** | | " + " | ".join(totals) + " |", ""]
    for run in runs:
        lines += [f"### {run.server}", "", f"Run on {run.date}. {run.remark}".strip(), "", *_failures(run), ""]
    return "\n".join(lines)


def _cell(entry: dict[str, Any] | None) -> str:
    return "not run" if entry is None else SHORT[Verdict(entry["verdict"])] + ("†" if entry["restarted"] else "")


def _total(run: Run) -> str:
    counts = Counter(entry["verdict"] for entry in run.rows)
    return f"{counts[Verdict.PASS]} / {counts[Verdict.PASS] + counts[Verdict.FAIL]}"


def _failures(run: Run) -> list[str]:
    told = [
        f"* `{entry['probe']}`: {_code(entry['told'])}{RESTARTED if entry['restarted'] else ''}"
        for entry in run.rows
        if entry["verdict"] == Verdict.FAIL
    ]
    return told or ["No probe failed."]


def _safe(text: str) -> str:
    return text.replace("|", "\\|")


def _code(text: str) -> str:
    words = " ".join(text.replace("`", "'").split())
    return f"`{words}`"
