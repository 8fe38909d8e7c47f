"""A certificate from what was found of a variant."""

from __future__ import annotations

from typing import Any

from pumice.domain.evidence.certificate import (
    WHOLE,
    Certificate,
    CertifiedBase,
    CertifiedData,
    CertifiedLatency,
    Claim,
    joined,
)
from pumice.domain.evidence.certified import conclusion
from pumice.domain.store.records import VersionRecord
from pumice.optimize.findings import QualityFinding, Report, VariantFinding


def recipe_of(variant: VariantFinding) -> dict[str, Any]:
    """How a variant was made, with the nodes that a search left out, so that it can be made again."""
    kept = [damage.node for damage in variant.sensitivity if damage.kept]
    return {**variant.recipe, "left_out": kept} if kept else dict(variant.recipe)


def contenders_of(report: Report) -> int:
    """How many variants shared the error: those that raced."""
    return max(1, sum(1 for one in report.variants if one.quality is not None or one.latency_ms is not None))


def certificate_of(
    report: Report, variant: VariantFinding, quality: QualityFinding, base: VersionRecord, *, implies_right: bool
) -> Certificate:
    """Put the certificate of a variant together.

    Args:
        report: What was found of all of them.
        variant: The variant.
        quality: What was found of its quality.
        base: The base as it is stored.
        implies_right: Whether answers that agree are both right or both wrong; the judge says it.
    """
    whole = Claim(WHOLE, conclusion(quality.evidence, implies_right=implies_right), quality.evidence)
    claims = [whole]
    latency = variant.latency_ms
    return Certificate(
        created=report.created,
        pumice=report.pumice,
        verdict=joined([claim.verdict for claim in claims]),
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
        ),
        task=report.base.task,
        metric=quality.metric,
        implies_right=implies_right,
        agree=report.agree,
        drop=report.drop,
        claims=claims,
        batch_dependent=variant.batch_dependent,
        machine=report.machine,
        latency=[
            CertifiedLatency(point.rows, point.threads, point.base, point.value, point.ratio, point.ratio_interval)
            for point in (latency.points if latency else [])
        ],
        recipe=recipe_of(variant),
    )
