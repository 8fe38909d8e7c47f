"""The plot of the frontier, as SVG: how much is lost, against how long or how large."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from pumice.optimize.findings import Bounds, Report, VariantFinding
from pumice.optimize.report.figures import standing
from pumice.optimize.report.texts import drawn

_WIDTH, _HEIGHT = 560.0, 380.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 62.0, 18.0, 16.0, 52.0
_LINE = 15.0
_LETTER = 6.4
_TICKS = 5


@dataclass(frozen=True)
class Mark:
    """A variant on the plot.

    Attributes:
        name: Its name.
        standing: How it stands.
        x: What it costs, to the original, and where that lies.
        y: What it loses (points), and where that lies.
        weight: Its size to the original, for the area of the mark.
    """

    name: str
    standing: str
    x: tuple[float, float, float]
    y: tuple[float, float, float]
    weight: float


@dataclass(frozen=True)
class Scale:
    """Numbers to places along one axis."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Where a number stands; what is beyond the axis stands at its end."""
        inside = min(max(value, self.low), self.high)
        return self.start + (inside - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Round numbers along it."""
        rough = (self.high - self.low) / _TICKS
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(size * power for size in (1.0, 2.0, 2.5, 5.0, 10.0) if size * power >= rough)
        first = math.ceil(self.low / step - 1e-9)
        return [number * step for number in range(first, math.floor(self.high / step + 1e-9) + 1)]


def frontier(report: Report, axis: str) -> Markup:
    """Draw it.

    Args:
        report: What was found.
        axis: What lies to the right: ``latency`` or ``size``.

    Returns:
        An ``svg`` element; empty if no variant was measured that far.
    """
    marks = [mark for variant in report.variants if (mark := _mark(variant, report.base.size_bytes, axis))]
    if not marks:
        return Markup("")
    across = Scale(0.0, max(1.12, *(min(mark.x[2], mark.x[0] * 1.6) * 1.08 for mark in marks)), _LEFT, _WIDTH - _RIGHT)
    margin = report.max_drop * 100
    worst = max(min(mark.y[2], max(mark.y[0] * 1.6, 4 * margin)) for mark in marks)
    best = min(max(mark.y[1], -3 * margin) for mark in marks)
    up = Scale(min(-0.25 * margin, best * 1.05), max(1.5 * margin, worst * 1.05), _HEIGHT - _BOTTOM, _TOP)
    parts = [_ground(across, up, margin, axis=axis, labelled=report.data.labelled), *_names(marks, across, up)]
    parts += [_drawn(mark, across, up) for mark in marks]
    return Markup('<svg class="frontier" viewBox="0 0 {:g} {:g}" role="img">{}</svg>').format(
        _WIDTH, _HEIGHT, Markup("").join(parts)
    )


def _mark(variant: VariantFinding, base_size: int, axis: str) -> Mark | None:
    quality, found = variant.quality, variant.latency_ms
    if quality is None:
        return None
    weight = variant.size_bytes / base_size if base_size else 1.0
    if axis == "latency":
        if found is None:
            return None
        x = (found.ratio, *_finite(found.ratio_interval, found.ratio))
    else:
        x = (weight, weight, weight)
    low, high = quality.drop_interval
    middle = quality.disagreement if quality.base is None else quality.base - quality.value
    return Mark(variant.name, standing(variant), x, (middle * 100, low * 100, high * 100), weight)


def _finite(bounds: Bounds, value: float) -> Bounds:
    low, high = bounds
    return (max(low, 0.0) if math.isfinite(low) else 0.0, high if math.isfinite(high) else value * 10)


def _ground(across: Scale, up: Scale, margin: float, *, axis: str, labelled: bool) -> Markup:
    corner = Markup('<rect class="corner" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
        across.start, up.at(margin), across.at(1.0) - across.start, up.start - up.at(margin)
    )
    lines = [corner]
    for value in across.ticks():
        x = across.at(value)
        lines.append(
            Markup('<line class="grid" x1="{0:.1f}" y1="{1}" x2="{0:.1f}" y2="{2}"/>').format(x, up.end, up.start)
        )
        lines.append(
            Markup('<text class="tick" x="{:.1f}" y="{}">{:g}</text>').format(x, up.start + 16, round(value, 6))
        )
    for value in up.ticks():
        y = up.at(value)
        lines.append(
            Markup('<line class="grid" x1="{1}" y1="{0:.1f}" x2="{2}" y2="{0:.1f}"/>').format(
                y, across.start, across.end
            )
        )
        lines.append(
            Markup('<text class="tick left" x="{}" y="{:.1f}">{:g}</text>').format(
                across.start - 7, y + 4, round(value, 6)
            )
        )
    lines.append(
        Markup('<line class="edge" x1="{0}" y1="{2:.1f}" x2="{1}" y2="{2:.1f}"/>').format(
            across.start, across.end, up.at(margin)
        )
    )
    lines.append(
        Markup('<line class="edge" x1="{0:.1f}" y1="{1}" x2="{0:.1f}" y2="{2}"/>').format(
            across.at(1.0), up.end, up.start
        )
    )
    lines.append(Markup('<circle class="original" cx="{:.1f}" cy="{:.1f}" r="4"/>').format(across.at(1.0), up.at(0.0)))
    middle = (across.start + across.end) / 2
    lines.append(drawn(f"axis-{axis}", f'class="axis" x="{middle:.1f}" y="{_HEIGHT - 10}"'))
    key, y = ("axis-drop" if labelled else "axis-disagreement"), (up.start + up.end) / 2
    lines.append(drawn(key, f'class="axis" transform="translate(14 {y:.1f}) rotate(-90)"'))
    return Markup("").join(lines)


def _drawn(mark: Mark, across: Scale, up: Scale) -> Markup:
    x, y = across.at(mark.x[0]), up.at(mark.y[0])
    radius = 4.5 + 4.5 * math.sqrt(min(mark.weight, 1.5))
    cross = Markup('<path class="reach" d="M{:.1f} {y:.1f}H{:.1f}M{x:.1f} {:.1f}V{:.1f}"/>').format(
        across.at(mark.x[1]), across.at(mark.x[2]), up.at(mark.y[1]), up.at(mark.y[2]), x=x, y=y
    )
    shape = _shape(mark.standing, x, y, radius)
    return Markup('<g class="mark {}"><title>{}</title>{}{}</g>').format(mark.standing, mark.name, cross, shape)


def _shape(how: str, x: float, y: float, radius: float) -> Markup:
    """Standings differ in form and not only in colour."""
    if how == "offered":
        return Markup('<circle cx="{:.1f}" cy="{:.1f}" r="{:.1f}"/>').format(x, y, radius)
    if how == "passed":
        side = radius * 1.7
        return Markup('<rect x="{0:.1f}" y="{1:.1f}" width="{2:.1f}" height="{2:.1f}" rx="2"/>').format(
            x - side / 2, y - side / 2, side
        )
    if how == "failed":
        return Markup(
            '<path class="stroke" d="M{0:.1f} {2:.1f}L{1:.1f} {3:.1f}M{0:.1f} {3:.1f}L{1:.1f} {2:.1f}"/>'
        ).format(x - radius * 0.7, x + radius * 0.7, y - radius * 0.7, y + radius * 0.7)
    return Markup('<path d="M{:.1f} {:.1f}l{a:.1f} {b:.1f}h{c:.1f}z"/>').format(
        x, y - radius, a=radius, b=radius * 1.7, c=-2 * radius
    )


def _names(marks: Sequence[Mark], across: Scale, up: Scale) -> list[Markup]:
    """Names beside their marks, moved apart where they would lie on each other."""
    placed: list[tuple[float, float, float]] = []
    found: list[Markup] = []
    for mark in sorted(marks, key=lambda mark: up.at(mark.y[0])):
        width = len(mark.name) * _LETTER
        x, y = across.at(mark.x[0]) + 13, up.at(mark.y[0]) - 7
        if x + width > across.end:
            x = across.at(mark.x[0]) - 13 - width
        while any(x < right and x + width > left and abs(y - line) < _LINE for left, right, line in placed):
            y += _LINE
        placed.append((x, x + width, y))
        found.append(Markup('<text class="name" x="{:.1f}" y="{:.1f}">{}</text>').format(x, y, mark.name))
    return found
