"""The report of a run, put together from what was found."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pumice.__about__ import __version__
from pumice.optimize.data.splitting import Splits
from pumice.optimize.findings import BaseFinding, DataFinding, Effort, GraphFacts, Report, VariantFinding
from pumice.optimize.race.contender import Contender
from pumice.optimize.race.digests import model_digest
from pumice.optimize.race.plan import Plan


@dataclass(frozen=True)
class Circumstances:
    """Under which a run was made.

    Attributes:
        created: When it began (ISO 8601, UTC).
        machine: On what.
        seconds: How long its steps took, over all the times that it was begun (s).
        graph: The base's graph as it runs.
    """

    created: str
    machine: dict[str, str]
    seconds: float
    graph: GraphFacts | None


def report(
    plan: Plan,
    splits: Splits,
    contenders: Sequence[Contender],
    variants: list[VariantFinding],
    circumstances: Circumstances,
) -> Report:
    """Put the report together."""
    meant = plan.judge.definition
    return Report(
        created=circumstances.created,
        pumice=__version__,
        machine=circumstances.machine,
        objective=plan.objective,
        max_drop=plan.max_drop,
        confidence=plan.confidence,
        agree=meant.agree,
        drop=meant.drop,
        agree_zh=meant.agree_zh,
        drop_zh=meant.drop_zh,
        base=_base(plan, contenders, circumstances.graph),
        variants=variants,
        data=_data(plan, splits),
        effort=_effort(contenders, len(splits.certification), circumstances.seconds),
    )


def _base(plan: Plan, contenders: Iterable[Contender], graph: GraphFacts | None) -> BaseFinding:
    times: dict[str, list[float]] = {}
    for standing in (contender.latency for contender in contenders if contender.latency):
        for point, place in standing.points.items():
            times.setdefault(f"{point.rows}x{point.threads}", []).extend(place.base)
    seen = [found for contender in contenders if (found := contender.quality())]
    return BaseFinding(
        name=plan.name,
        digest=model_digest(plan.source),
        task=plan.source.manifest.task,
        format=plan.source.manifest.format,
        size_bytes=plan.source.size_bytes,
        value=max(seen, key=lambda finding: finding.n).base if seen else None,
        latency_ms={point: statistics.median(found) for point, found in times.items() if found},
        graph=graph,
    )


def _data(plan: Plan, splits: Splits) -> DataFinding:
    slices = plan.examples.slices
    return DataFinding(
        source=plan.data,
        digest=plan.examples.digest,
        examples=len(plan.examples),
        calibration=len(splits.calibration),
        search=len(splits.search),
        certification=len(splits.certification),
        labelled=plan.examples.labels is not None,
        slices=[] if slices is None else sorted({str(name) for name in slices}),
        seed=plan.seed,
    )


def _effort(contenders: Iterable[Contender], examples: int, seconds: float) -> Effort:
    """What the race cost, beside what it would have cost to let every variant that can race answer everything.

    The first look counts as a cost of the race alone.
    """
    contenders = list(contenders)
    able = [contender for contender in contenders if contender.proof]
    evaluations = sum(contender.evaluated + contender.looked_at for contender in contenders)
    return Effort(evaluations=evaluations, full_grid=len(able) * examples, seconds=seconds)
