"""The table of a soak, and a page with memory and counts over time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.soak.calls import kinds
from tests.soak.faults import faults
from tests.soak.ledger import RIGHT
from tests.soak.run import Result

MIB = 2**20
WIDTH, HEIGHT, LEFT, TOP, STEP = 640, 110, 60, 30, 150


def table(result: Result) -> list[str]:
    """What became of each kind of call, as lines of Markdown."""
    lines = [
        "| calls | right | explained | unexplained | hung | slowest (s) |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for kind in (*kinds(), *faults()):
        counts = result.ledger.counts.get(kind.name, Counter[str]())
        explained = ", ".join(f"{counts[word]} x {word}" for word in kind.explained if counts.get(word)) or "0"
        numbers = [str(counts.get(word, 0)) for word in ("unexplained", "hung")]
        slowest = f"{result.ledger.slowest.get(kind.name, 0.0):.2f}"
        lines.append(f"| {kind.name} | {counts.get(RIGHT, 0)} | {explained} | {' | '.join(numbers)} | {slowest} |")
    return lines


def leaks(result: Result) -> list[str]:
    """What the server held after the warm-up and at the end, as lines of Markdown."""
    looks = result.looks[max(result.warm_up - 1, 0) :]
    if not looks:
        return []
    first, last = looks[0], looks[-1]
    lines = ["| the server holds | after warm-up | at the end |", "|---|---:|---:|"]
    lines += [f"| {name} | {first.counts.get(name, 0)} | {count} |" for name, count in sorted(last.counts.items())]
    lines.append(f"| memory of the front (MiB) | {first.front / MIB:.1f} | {last.front / MIB:.1f} |")
    steady = result.steady()
    if steady:
        told = f"{steady[0] / MIB:.1f} | {steady[-1] / MIB:.1f}"
        lines.append(f"| memory of the replicas that nobody harmed (MiB) | {told} |")
    return lines


def verdict(result: Result) -> str:
    """One line."""
    said = f"{result.ledger.calls()} calls in {result.seconds / 60:.1f} minutes, {len(result.looks)} looks"
    return f"{said}: {'nothing unexplained, nobody hung, nothing leaked' if not result.problems else 'FAILED'}"


def page(result: Result) -> str:
    """All of it as one Markdown text."""
    lines = [verdict(result), "", *table(result), "", *leaks(result)]
    lines += ["", *(f"* {problem}" for problem in result.problems)] if result.problems else []
    return "\n".join(lines) + "\n"


def write(result: Result, folder: Path) -> None:
    """Write ``soak.md``, ``soak.svg`` and, after a failure, the end of the server's log."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "soak.md").write_text(f"{page(result)}\n![over time](soak.svg)\n", encoding="utf-8")
    (folder / "soak.svg").write_text(drawing(result), encoding="utf-8")
    if result.problems:
        (folder / "server.log").write_text(result.log, encoding="utf-8")


def drawing(result: Result) -> str:
    """Memory and counts at each look, as an SVG."""
    looks = result.looks
    series = [
        ("memory of the front (MiB)", [one.front / MIB for one in looks]),
        ("memory of all replicas (MiB)", [sum(one.replicas.values()) / MIB for one in looks]),
        ("file descriptors of the front", [float(one.counts["front fds"]) for one in looks]),
        ("processes", [float(one.counts["processes"]) for one in looks]),
    ]
    panels = "".join(
        _panel(name, values, TOP + number * STEP, result.warm_up) for number, (name, values) in enumerate(series)
    )
    size = f'width="{LEFT + WIDTH + 20}" height="{TOP + len(series) * STEP}"'
    style = 'font-family="sans-serif" font-size="12"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>{panels}</svg>\n'


def _panel(name: str, values: Sequence[float], top: int, warm_up: int) -> str:
    most = max(values, default=1.0) * 1.1 or 1.0
    step = WIDTH / max(len(values) - 1, 1)
    points = " ".join(
        f"{LEFT + number * step:.1f},{top + HEIGHT * (1 - value / most):.1f}" for number, value in enumerate(values)
    )
    warm = max(warm_up - 1, 0) * step
    return (
        f'<text x="{LEFT}" y="{top - 6}">{name}; grey: warm-up</text>'
        f'<rect x="{LEFT}" y="{top}" width="{warm:.1f}" height="{HEIGHT}" fill="#ddd"/>'
        f'<path d="M{LEFT} {top}v{HEIGHT}h{WIDTH}" fill="none" stroke="#888"/>'
        f'<text x="{LEFT - 6}" y="{top + 10}" text-anchor="end">{most:.0f}</text>'
        f'<text x="{LEFT - 6}" y="{top + HEIGHT}" text-anchor="end">0</text>'
        f'<polyline points="{points}" fill="none" stroke="#1f77b4" stroke-width="2"/>'
    )
