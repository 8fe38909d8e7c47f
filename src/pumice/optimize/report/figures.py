"""Numbers and intervals as people read them; the same in the terminal and on the page."""

from __future__ import annotations

import math

from pumice.domain.evidence.verdict import Verdict
from pumice.optimize.findings import Bounds, LatencyFinding, QualityFinding, VariantFinding

Standing = str
"""How a variant stands: one of `STANDINGS`."""

STANDINGS = ("offered", "passed", "not-yet", "failed", "unbuilt")
"""Offered; quality passed but not better; not yet proven; proven worse; could not be built or answered nothing."""

MINUS = "\N{MINUS SIGN}"


def standing(variant: VariantFinding) -> Standing:
    """How a variant stands."""
    if variant.offered:
        return "offered"
    if variant.quality is None:
        return "unbuilt"
    by_verdict = {Verdict.PASS: "passed", Verdict.FAIL: "failed", Verdict.NOT_YET: "not-yet"}
    return by_verdict[variant.verdict]


def points(value: float, *, sign: bool = True) -> str:
    """A difference of two parts, in percentage points: ``+0.42`` or ``−0.10``."""
    text = f"{abs(value) * 100:.2f}"
    if not sign or float(text) == 0.0:
        return text
    return f"{'+' if value > 0 else MINUS}{text}"


def points_interval(bounds: Bounds) -> str:
    """An interval of a difference, in percentage points."""
    return f"{points(bounds[0])} … {points(bounds[1])}"


def percent(value: float | None) -> str:
    """A part of 1 in percent; a dash where it is not known."""
    return "–" if value is None else f"{value * 100:.2f} %"


def milliseconds(value: float) -> str:
    """A time, with three digits that count."""
    return f"{value:.3g} ms" if value < 100 else f"{value:,.0f} ms"


def ratio(value: float) -> str:
    """A ratio with two decimals; infinite where nothing is known."""
    return "∞" if math.isinf(value) else f"{value:.2f}"


def ratio_interval(bounds: Bounds) -> str:
    """An interval of a ratio."""
    return f"{ratio(max(bounds[0], 0.0))} … {ratio(bounds[1])}"


def size(count: int) -> str:
    """Bytes with a unit that keeps the number small."""
    if count < 1000:
        return f"{count} B"
    steps = min(int(math.log10(count) // 3), 3)
    return f"{count / 1000**steps:.3g} {('kB', 'MB', 'GB')[steps - 1]}"


def latency(found: LatencyFinding | None) -> str:
    """Latency of a variant with its ratio to the base."""
    if found is None:
        return "–"
    return f"{milliseconds(found.value)} ({ratio(found.ratio)} ×)"


def quality(found: QualityFinding | None) -> str:
    """Quality of a variant beside its base."""
    if found is None:
        return "–"
    return percent(found.value) if found.base is None else f"{percent(found.base)} → {percent(found.value)}"
