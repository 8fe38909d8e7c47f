"""Overload for people: two tables and a picture."""

import math
from collections.abc import Callable, Iterator
from html import escape
from statistics import median

from benchmarks.chart import STYLE
from benchmarks.floods import Flood
from benchmarks.samples import Results, middle

WIDTH, HEIGHT = 760, 250
LEFT, RIGHT, TOP, BOTTOM = 60, 200, 40, 40
"""Room around the lines of a panel, in pixels."""
LINES = """
  .first { stroke: #d9480f; }
  .second { stroke: #1971c2; }
  .third { stroke: #2f9e44; }
  .axis { stroke: #8c959f; stroke-width: 1; }
  .deadline { stroke: #8c959f; stroke-dasharray: 5 4; }
  polyline, .line { fill: none; stroke-width: 2; }
  @media (prefers-color-scheme: dark) {
    .first { stroke: #ff8c42; }
    .second { stroke: #4dabf7; }
    .third { stroke: #69db7c; }
  }
"""
BUSY = 0.5
"""Load average before the run from which on a picture says so."""
Figure = Callable[[Flood], float]
Curve = tuple[str, str, Figure]
"""Class of the line, its name, and what it shows of a flood."""


def flood_sections(results: Results) -> list[tuple[str, list[list[str]]]]:
    """Returns what was measured, as titled tables."""
    if not results.floods:
        return []
    title = "overload: more than can be answered (models that sleep, one replica, a deadline of 250 ms)"
    back = "overload: who is refused and comes back after `Retry-After`, once"
    return [(title, flood_table(results)), (back, burst_table(results))]


def flood_table(results: Results) -> list[list[str]]:
    """Returns one row a case and rate; medians over the rounds."""
    rows = [["case", "offered", "req/s", "in time", "p50 ms", "p99 ms", "late or 504", "refused"]]
    rows[0] += ["refusal p50 ms", "p99 ms", "max ms", "`Retry-After`", "CPU ms a refusal"]
    for case, times in dict.fromkeys((flood.case, flood.times) for flood in results.floods):
        of = [flood for flood in results.floods if (flood.case, flood.times) == (case, times)]

        def show(figure: Figure, form: str, of: list[Flood] = of) -> str:
            return form.format(median(figure(flood) for flood in of))

        row = [case, f"{times:g} x", show(lambda flood: flood.offered, "{:,.0f}")]
        row += [show(lambda flood: flood.kept, "{:.3f}"), show(lambda flood: flood.accepted_p50_ms, "{:.1f}")]
        row += [show(lambda flood: flood.accepted_p99_ms, "{:.1f}")]
        row += [show(lambda flood: (flood.late + flood.expired) / flood.offered, "{:.2%}")]
        row += [show(lambda flood: flood.refused / flood.offered, "{:.1%}")]
        if any(flood.refused for flood in of):
            row += [
                show(lambda flood: flood.refusal_p50_ms, "{:.2f}"),
                show(lambda flood: flood.refusal_p99_ms, "{:.2f}"),
            ]
            row += [f"{max(flood.refusal_max_ms for flood in of):.1f}", f"{min(flood.told for flood in of):.0%}"]
            row += [_form(middle(_refusal_cpu(results, of)))]
        else:
            row += [""] * 5
        rows.append(row)
    return rows


def _refusal_cpu(results: Results, of: list[Flood]) -> Iterator[float]:
    """What the server's CPU grew by since the capacity was reached, by refusal (ms)."""
    for flood in of:
        for full in results.floods:
            same = (full.case, full.server, full.round) == (flood.case, flood.server, flood.round)
            if same and full.times == 1.0 and flood.times > 1.0 and flood.refused > full.refused:
                yield 1000 * (flood.cpu - full.cpu) / (flood.refused - full.refused)


def _form(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def burst_table(results: Results) -> list[list[str]]:
    """Returns what became of those who came back; sums over the rounds."""
    rows = [["case", "deadline s", "at once", "refused", "longest `Retry-After` s", "let in when back", "in time"]]
    for case, deadline in dict.fromkeys((burst.case, burst.deadline) for burst in results.bursts):
        of = [burst for burst in results.bursts if (burst.case, burst.deadline) == (case, deadline)]
        refused = sum(burst.refused for burst in of)
        part = [f"{sum(counts) / refused:.1%}" if refused else "" for counts in _counts(of)]
        counted = [f"{sum(burst.requests for burst in of):,}", f"{refused:,}"]
        rows.append([case, f"{deadline:g}", *counted, f"{max(burst.longest for burst in of):g}", *part])
    return rows


def _counts(of: list) -> Iterator[list[int]]:
    yield [burst.back for burst in of]
    yield [burst.right for burst in of]


def draw_floods(results: Results) -> str | None:
    """Draws goodput and latency against what is offered; None if nothing was measured."""
    if not results.floods:
        return None
    cases = list(dict.fromkeys(flood.case for flood in results.floods))
    kinds = ("first", "second", "third")
    parts: list[str] = []
    shares: list[Curve] = [(kinds[at], case, lambda flood: flood.kept) for at, case in enumerate(cases)]
    parts += _panel(results, "Answers in time, by the capacity", 0, shares, cases, 1.2)
    single = [cases[0]] * 3
    waits: list[Curve] = [
        ("first", "p99 of the accepted", lambda flood: flood.accepted_p99_ms),
        ("second", "p50 of the accepted", lambda flood: flood.accepted_p50_ms),
        ("third", "p99 of the refusals", lambda flood: flood.refusal_p99_ms),
    ]
    deadline = results.floods[0].deadline_ms
    parts += _panel(results, f"Latency, ms ({cases[0]}; dashed: the deadline)", HEIGHT, waits, single, 1.2 * deadline)
    y = _y(deadline, 1.2 * deadline, HEIGHT)
    parts.append(f'<path class="line deadline" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
    parts.append(f'<text x="10" y="{2 * HEIGHT + 14}">{escape(_where(results))}</text>')
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {2 * HEIGHT + 24}" width="{WIDTH}"'
        f' height="{2 * HEIGHT + 24}" role="img" aria-label="Answers in time and latency against the offered load">'
    )
    return f"{head}\n<style>{STYLE}{LINES}</style>\n" + "\n".join(parts) + "\n</svg>\n"


def _where(results: Results) -> str:
    about = results.machine
    busy = float(about.get("load_before", 0.0))
    noise = f"; busy (load average {busy:g})" if busy >= BUSY else ""
    noise += ", real-time priority" if about.get("real_time") else ""
    return f"{about.get('cores', '?')} cores with the load generator, {about.get('date', '')}{noise}"


def _panel(results: Results, title: str, top: int, curves: list[Curve], cases: list[str], most: float) -> Iterator[str]:
    yield f'<text class="title" x="10" y="{top + 24}">{escape(title)}</text>'
    floor = _y(0.0, most, top)
    yield f'<path class="line axis" d="M{LEFT} {top + TOP}V{floor:.1f}H{WIDTH - RIGHT}"/>'
    for part in (0.0, 0.5, 1.0):
        value = part * most / 1.2
        middle_of = _y(value, most, top)
        yield f'<text x="{LEFT - 8}" y="{middle_of + 4:.1f}" text-anchor="end">{value:g}</text>'
    times = sorted({flood.times for flood in results.floods})
    for at in times:
        yield f'<text x="{_x(at, times):.1f}" y="{floor + 18:.1f}" text-anchor="middle">{at:g} x</text>'
    for number, ((kind, name, figure), case) in enumerate(zip(curves, cases, strict=True)):
        found = {at: [figure(one) for one in results.floods if (one.case, one.times) == (case, at)] for at in times}
        points = [(_x(at, times), _y(median(values), most, top)) for at, values in found.items() if values]
        yield f'<polyline class="{kind}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>'
        y = top + TOP + 20 * number
        yield f'<path class="line {kind}" d="M{WIDTH - RIGHT + 20} {y}h20"/>'
        yield f'<text x="{WIDTH - RIGHT + 46}" y="{y + 4}">{escape(name)}</text>'


def _x(at: float, times: list[float]) -> float:
    span = math.log(times[-1] / times[0]) or 1.0
    return LEFT + (WIDTH - RIGHT - LEFT) * math.log(at / times[0]) / span


def _y(value: float, most: float, top: int) -> float:
    return top + HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(value / most, 1.0)
