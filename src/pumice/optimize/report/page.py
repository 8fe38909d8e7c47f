"""Put the page together: one file that loads nothing, in two languages."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import jinja2
import yaml
from markupsafe import Markup

from pumice.optimize.findings import QualityFinding, Report, VariantFinding
from pumice.optimize.report import figures
from pumice.optimize.report.bars import damage_bars, interval_bar, span_of
from pumice.optimize.report.frontier import frontier
from pumice.optimize.report.texts import both, text


def render(report: Report) -> str:
    """The page of a report, as HTML."""
    return _page().render(
        report=report,
        style=Markup(_asset("style.css")),  # noqa: S704 - ours
        plots=[plot for axis in ("latency", "size") if (plot := frontier(report, axis))],
        headline=_headline(report),
        rows=[_row(report, variant) for variant in report.variants],
        machine=" · ".join(f"{value}" for value in report.machine.values()),
        agree=both(report.agree, report.agree_zh),
        drop=both(report.drop, report.drop_zh),
        margin=figures.points(report.max_drop, sign=False),
        uses=_uses(report),
    )


@cache
def _page() -> jinja2.Template:
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.globals.update(t=text, both=both)
    for name in ("percent", "milliseconds", "ratio", "ratio_interval", "points", "points_interval", "size"):
        environment.filters[name] = getattr(figures, name)
    return environment.from_string(_asset("page.html"))


def _asset(name: str) -> str:
    return resources.files("pumice.optimize.report").joinpath(name).read_text("utf-8")


def _headline(report: Report) -> dict[str, Markup]:
    offered, total = report.offered, len(report.variants)
    if not offered:
        return {"claim": text("none", total=total), "told": text("keep")}
    best = offered[0]
    if report.objective == "latency" and best.latency_ms is not None:
        cost = best.latency_ms.ratio
    else:
        cost = best.size_bytes / max(report.base.size_bytes, 1)
    told = text(
        f"best-{report.objective}",
        name=best.name,
        ratio=figures.ratio(cost),
        margin=figures.points(report.max_drop, sign=False),
    )
    return {"claim": text("some", count=len(offered), total=total), "told": told}


def _row(report: Report, variant: VariantFinding) -> dict[str, Any]:
    """A variant with its pictures."""
    quality, latency = variant.quality, variant.latency_ms
    row: dict[str, Any] = {
        "variant": variant,
        "standing": figures.standing(variant),
        "reasons": _reasons(variant),
        "recipe": yaml.safe_dump(variant.recipe, sort_keys=False, allow_unicode=True),
        "size_ratio": variant.size_bytes / max(report.base.size_bytes, 1),
        "drop_bar": Markup(),
        "ratio_bar": Markup(),
        "slices": _slices(report, quality) if quality else [],
        "damage": damage_bars(variant.sensitivity) if variant.sensitivity else Markup(),
        "records": _records(quality) if quality else [],
    }
    if quality:
        span = span_of([one.quality.drop_interval for one in report.variants if one.quality], report.max_drop)
        value = quality.disagreement if quality.base is None else quality.base - quality.value
        row["drop"] = value
        row["drop_bar"] = interval_bar(value, quality.drop_interval, limit=report.max_drop, span=span)
    if latency:
        span = (0.0, max(1.6, *(min(one.latency_ms.ratio * 1.15, 6.0) for one in report.variants if one.latency_ms)))
        row["ratio_bar"] = interval_bar(latency.ratio, latency.ratio_interval, limit=1.0, span=span)
    return row


def _reasons(variant: VariantFinding) -> list[Markup]:
    chinese = variant.reasons_zh + [""] * (len(variant.reasons) - len(variant.reasons_zh))
    return [both(*pair) for pair in zip(variant.reasons, chinese, strict=False)]


def _slices(report: Report, quality: QualityFinding) -> list[dict[str, Any]]:
    span = span_of([part.drop_interval for part in quality.slices], report.max_drop)
    found = []
    for part in quality.slices:
        known = part.base is not None and part.value is not None
        value = (part.base or 0.0) - (part.value or 0.0) if known else sum(part.drop_interval) / 2
        bar = interval_bar(value, part.drop_interval, limit=report.max_drop, span=span)
        found.append({"part": part, "bar": bar})
    return found


def _records(quality: QualityFinding) -> list[dict[str, Any]]:
    """The tests, each named by the part of the data that it is about: the whole first, then the parts in order."""
    whole = [{"about": None, "record": record} for record in quality.evidence]
    return whole + [{"about": part.name, "record": record} for part in quality.slices for record in part.evidence]


def _uses(report: Report) -> list[dict[str, Any]]:
    """What the examples were used for, as parts of a bar."""
    data = report.data
    counts = {"calibration": data.calibration, "search": data.search, "certification": data.certification}
    whole = max(sum(counts.values()), 1)
    return [{"key": key, "count": count, "part": 100 * count / whole} for key, count in counts.items() if count]
