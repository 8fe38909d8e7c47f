"""A certificate from what was found of a variant."""

from __future__ import annotations

from typing import Any

import msgspec

from pumice.domain.evidence.certificate import (
    WHOLE,
    Certificate,
    CertifiedBase,
    CertifiedData,
    CertifiedLatency,
    Claim,
    joined,
)
from pumice.domain.store.records import VersionRecord
from pumice.optimize.findings import QualityFinding, Report, VariantFinding


def recipe_of(variant: VariantFinding) -> dict[str, Any]:
    """How a variant was made, with the nodes that a search left out, so that it can be made again."""
    kept = [damage.node for damage in variant.sensitivity if damage.kept]
    told = {**variant.recipe, "left_out": kept} if kept else variant.recipe
    # as it will be read again: a tuple of the passes' options is a list there
    return msgspec.json.decode(msgspec.json.encode(told), type=dict[str, Any])


def contenders_of(report: Report) -> int:
    """How many variants shared the error: those that raced."""
    return max(1, sum(1 for one in report.variants if one.quality is not None or one.latency_ms is not None))


def certificate_of(
    report: Report,
    variant: VariantFinding,
    quality: QualityFinding,
    base: VersionRecord,
    recipe: dict[str, Any],
) -> Certificate:
    """Put the certificate of a variant together.

    Args:
        report: What was found of all of them.
        variant: The variant.
        quality: What was found of its quality.
        base: The base as it is stored.
        recipe: How it was made, as its manifest says; empty: elsewhere.
    """
    claims = [Claim(WHOLE, quality.evidence[0].verdict, quality.evidence)]
    claims += [Claim(part.name, part.verdict, part.evidence, part.binding) for part in quality.slices]
    latency = variant.latency_ms
    return Certificate(
        created=report.created,
        pumice=report.pumice,
        verdict=joined([claim.verdict for claim in claims if claim.binding]),
        max_drop=report.max_drop,
        confidence=report.confidence,
        contenders=contenders_of(report),
        base=CertifiedBase(base.model, base.version, base.digest),
        data=CertifiedData(
            digest=report.data.digest,
            examples=report.data.examples,
            calibration=report.data.calibration,
            search=report.data.search,
            certification=report.data.certification,
            labelled=report.data.labelled,
            seed=report.data.seed,
            parts=[part.name for part in quality.slices],
        ),
        task=report.base.task,
        metric=quality.metric,
        agree=report.agree,
        drop=report.drop,
        claims=claims,
        batch_dependent=variant.batch_dependent,
        machine=report.machine,
        latency=[
            CertifiedLatency(point.rows, point.threads, point.base, point.value, point.ratio, point.ratio_interval)
            for point in (latency.points if latency else [])
        ],
        recipe=recipe,
    )
