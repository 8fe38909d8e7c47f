"""Runs `pumice optimize` on every case, and reads its report."""

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import paths
from benchmarks.optimize.cases import CASES, FOLDER, Case
from benchmarks.optimize.eager import run_eager
from benchmarks.optimize.olive import run_olive
from benchmarks.samples import Results

KEY = "optimize"
GATE = 3
"""Exit code of a run that offers nothing, which is a result."""

Table = list[list[str]]


def run_optimize(results: Results) -> None:
    """Optimizes every case in a home of its own, then what is measured beside it."""
    for make in CASES.values():
        case = make()
        with tempfile.TemporaryDirectory(prefix=f"pumice-{case.name}-") as home:
            begun = time.perf_counter()
            report = optimize(case, Path(home))
            if report is None:
                results.problems.append(f"optimize: {case.name} failed")
                continue
            entry = {"case": case.name, "title": case.title, "seconds": time.perf_counter() - begun, "report": report}
            results.optimized.append(entry)
            print(f"optimize    {case.name}: {len(offered(report))} of {len(report['variants'])} offered", flush=True)
            if case.name == "fashion":
                entry["olive"] = run_olive(case, Path(home))
            if case.name == "minilm":
                results.extras.update(run_eager(case, Path(home)))


def optimize(case: Case, home: Path) -> dict[str, Any] | None:
    """Runs the command; its report also lands in `.bench/optimize`, to be looked at."""
    page = FOLDER / f"{case.name}-report"
    command = [
        *(str(paths.pumice_command()), "optimize", str(case.source), "--data", str(case.data)),
        *("--max-drop", str(case.max_drop), "--name", case.name, "--report", str(page), "--json", *case.options),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environ(home))
    if done.returncode not in {0, GATE}:
        print(done.stderr[-2000:], flush=True)
        return None
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def environ(home: Path) -> dict[str, str]:
    """What the commands start with: a home of their own, inside the one of the case."""
    return paths.environment() | {"PUMICE_HOME": str(home / "home"), "HF_HUB_OFFLINE": "1", "TMPDIR": os.fspath(home)}


def offered(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the variants that may stand in, the best first."""
    return [variant for variant in report["variants"] if variant["offered"]]


def optimize_sections(results: Results) -> list[tuple[str, Table]]:
    """Returns what was measured, as titled tables."""
    tables = {
        "optimize: what is offered, and why the rest is not": optimize_table(results),
        "optimize: what the race cost": effort_table(results),
        "optimize: Olive on the same model and data": olive_table(results),
    }
    return [(title, rows) for title, rows in tables.items() if rows]


def optimize_table(results: Results) -> Table:
    """Returns one row a variant."""
    rows = [["model", "variant", "verdict", "offered", "quality", "drop, points", "latency ×", "size ×", "why not"]]
    for entry in results.optimized:
        base = entry["report"]["base"]
        rows.append([entry["case"], "original", "", "", _percent(base["value"]), "", "1", "1", ""])
        rows += [_row(variant, base["size_bytes"]) for variant in entry["report"]["variants"]]
    return rows if len(rows) > 1 else []


def effort_table(results: Results) -> Table:
    """Returns one row a case: what the race cost, by the full grid."""
    rows = [["model", "examples", "answers asked for", "full grid", "share", "seconds"]]
    for entry in results.optimized:
        report, effort = entry["report"], entry["report"]["effort"]
        share = effort["evaluations"] / max(effort["full_grid"], 1)
        counts = [
            f"{value:,}" for value in (report["data"]["certification"], effort["evaluations"], effort["full_grid"])
        ]
        rows.append([entry["case"], *counts, f"{share:.0%}", f"{entry['seconds']:.0f}"])
    return rows if len(rows) > 1 else []


def olive_table(results: Results) -> Table:
    """Returns Olive's choice beside ours; nothing if it was not asked."""
    rows = [["chosen by", "variant", "seconds", "what its evaluation says", "certified: drop, points", "verdict"]]
    for entry in results.optimized:
        olive = entry.get("olive")
        if not olive:
            continue
        best = offered(entry["report"])
        if best:
            drop = _points(best[0]["quality"]["drop_interval"])
            rows.append(["Pumice", best[0]["name"], f"{entry['seconds']:.0f}", "", drop, best[0]["verdict"]])
        else:
            rows.append(["Pumice", "the original", f"{entry['seconds']:.0f}", "", "", ""])
        rows.append(["Olive", *olive])
    return rows if len(rows) > 1 else []


def _row(variant: dict[str, Any], base_size: int) -> list[str]:
    quality, latency = variant["quality"], variant["latency_ms"]
    reasons = "; ".join(variant["reasons"])
    return [
        "",
        variant["name"],
        variant["verdict"] if quality else "not raced",
        "yes" if variant["offered"] else "no",
        _percent(quality["value"]) if quality else "",
        _points(quality["drop_interval"]) if quality else "",
        f"{latency['ratio']:.2f} ({latency['ratio_interval'][0]:.2f}–{latency['ratio_interval'][1]:.2f})"
        if latency
        else "",
        f"{variant['size_bytes'] / base_size:.2f}" if variant["size_bytes"] else "",
        reasons if not variant["offered"] else "",
    ]


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value * 100:.2f} %"


def _points(bounds: list[float]) -> str:
    return f"{bounds[0] * 100:+.2f} … {bounds[1] * 100:+.2f}"
