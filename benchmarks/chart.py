"""Draws the results as one SVG of horizontal bars, readable on light and on dark pages."""

from dataclasses import dataclass
from html import escape
from statistics import median

from benchmarks.samples import Results
from benchmarks.servers import SERVERS

WIDTH = 760
LABELS = 270
"""Width of the column of names, in pixels."""
BAR, GAP, TITLE = 18, 6, 44
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328; }
  .title { font-weight: 600; }
  .ours { fill: #d9480f; }
  .peer { fill: #8c959f; }
  .limit { fill: #57606a; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .ours { fill: #ff8c42; }
    .peer { fill: #6e7681; }
    .limit { fill: #9ea7b3; }
  }
"""


@dataclass(frozen=True)
class Bar:
    """One bar.

    Attributes:
        label: Its name.
        value: Its length in the panel's unit.
        kind: `ours`, `peer`, or `limit` (what no server can pass).
    """

    label: str
    value: float
    kind: str


def draw(results: Results) -> str | None:
    """Draws every panel there are figures for; None if there is none."""
    panels = [panel for panel in _panels(results) if panel[2]]
    if not panels:
        return None
    parts, top = [], 10
    for title, form, bars in panels:
        drawn, height = _panel(title, form, bars, top)
        parts.append(drawn)
        top += height
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" width="{WIDTH}" height="{top}" role="img"'
        ' aria-label="Benchmarks of Pumice and its peers">'
    )
    return f"{head}\n<style>{STYLE}</style>\n" + "\n".join(parts) + "\n</svg>\n"


def _panels(results: Results) -> list[tuple[str, str, list[Bar]]]:
    b = _bars(results, "B", "requests_per_second", reverse=True)
    if b and results.bare:
        best = median(max(entry["rows_per_second"].values()) for entry in results.bare)
        b.insert(0, Bar("ONNX Runtime alone, best batch", best, "limit"))
    return [
        (
            "CPU per request, tiny model, 64 connections (ms; shorter is better)",
            "{:.3f}",
            _bars(results, "A", "cpu_ms", reverse=False),
        ),
        (
            "Requests per second, tiny model, 64 connections",
            "{:,.0f}",
            _bars(results, "A", "requests_per_second", reverse=True),
        ),
        ("Requests per second, MiniLM, 64 connections", "{:,.0f}", b),
    ]


def _bars(results: Results, workload: str, figure: str, *, reverse: bool) -> list[Bar]:
    values = {name: results.median(workload, name, 64, figure) for name in results.servers(workload)}
    there = {name: value for name, value in values.items() if value is not None}
    order = sorted(there, key=there.__getitem__, reverse=reverse)
    return [Bar(SERVERS[name].title, there[name], "ours" if name == "pumice" else "peer") for name in order]


def _panel(title: str, form: str, bars: list[Bar], top: int) -> tuple[str, int]:
    longest = max(bar.value for bar in bars)
    room = WIDTH - LABELS - 90
    parts = [f'<text class="title" x="10" y="{top + 24}">{escape(title)}</text>']
    for number, bar in enumerate(bars):
        y = top + TITLE + number * (BAR + GAP)
        width = max(1.0, room * bar.value / longest) if longest else 1.0
        middle = y + BAR - 5
        parts.append(f'<text x="{LABELS - 10}" y="{middle}" text-anchor="end">{escape(bar.label)}</text>')
        parts.append(f'<rect class="{bar.kind}" x="{LABELS}" y="{y}" width="{width:.1f}" height="{BAR}" rx="2"/>')
        parts.append(f'<text x="{LABELS + width + 8:.1f}" y="{middle}">{form.format(bar.value)}</text>')
    return "\n".join(parts), TITLE + len(bars) * (BAR + GAP) + 14
