"""Intervals and damages as small pictures beside their figures, as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from pumice.optimize.findings import Bounds, NodeDamage

_WIDTH, _HEIGHT = 150.0, 16.0
_EDGE = 4.0


def interval_bar(value: float, bounds: Bounds, *, limit: float, span: Bounds) -> Markup:
    """An interval as a line with its value as a dot, and a limit as a bar across.

    Args:
        value: The estimate.
        bounds: The interval.
        limit: What it is held against; an interval below it is good.
        span: The numbers at both ends of the picture, the same for all that stand under each other.
    """

    def at(number: float) -> float:
        inside = min(max(number, span[0]), span[1])
        return _EDGE + (inside - span[0]) / (span[1] - span[0]) * (_WIDTH - 2 * _EDGE)

    low, high = (bound if math.isfinite(bound) else end for bound, end in zip(bounds, span, strict=True))
    kind = "good" if high < limit else "bad" if low > limit else "open"
    return Markup(
        '<svg class="bar {kind}" viewBox="0 0 {width:g} {height:g}" aria-hidden="true">'
        '<line class="limit" x1="{limit:.1f}" y1="1" x2="{limit:.1f}" y2="15"/>'
        '<line class="reach" x1="{low:.1f}" y1="8" x2="{high:.1f}" y2="8"/>'
        '<circle cx="{value:.1f}" cy="8" r="3.5"/></svg>'
    ).format(kind=kind, width=_WIDTH, height=_HEIGHT, limit=at(limit), low=at(low), high=at(high), value=at(value))


def span_of(bounds: Sequence[Bounds], limit: float) -> Bounds:
    """Numbers between which all intervals, zero and the limit can be seen; far ends are cut."""
    far = 6 * abs(limit) or 1.0
    ends = [0.0, limit * 1.25, *(min(max(end, -far), far) for pair in bounds for end in pair if math.isfinite(end))]
    return (min(ends), max(ends))


def damage_bars(nodes: Sequence[NodeDamage], most: int = 24) -> Markup:
    """What each node does to the answers, as bars, the worst first.

    Args:
        nodes: The nodes.
        most: How many are shown.
    """
    shown = sorted(nodes, key=lambda node: -node.damage)[:most]
    top = max((node.damage for node in shown), default=0.0) or 1.0
    rows = [
        Markup(
            '<g transform="translate(0 {y})"><text class="node" x="252" y="12">{kept}{name}</text>'
            '<rect class="{kind}" x="262" y="3" width="{width:.1f}" height="11" rx="2"/>'
            '<text class="figure" x="{end:.1f}" y="12">{damage:.3g} · {op}</text></g>'
        ).format(
            y=index * 19,
            kept="○ " if node.kept else "",
            kind="kept" if node.kept else "changed",
            name=_tail(node.node),
            width=max(node.damage / top * 200, 1.0),
            end=270 + max(node.damage / top * 200, 1.0),
            damage=node.damage,
            op=node.op,
        )
        for index, node in enumerate(shown)
    ]
    return Markup('<svg class="damage" viewBox="0 0 620 {}">{}</svg>').format(
        len(shown) * 19 + 4, Markup("").join(rows)
    )


def _tail(name: str, most: int = 36) -> str:
    return name if len(name) <= most else "…" + name[1 - most :]
