"""Who may stand in for the base, and why the others may not."""

from __future__ import annotations

from collections.abc import Callable

from pumice.domain.evidence.verdict import Verdict
from pumice.optimize.findings import GraphFacts, Objective, VariantFinding
from pumice.optimize.race import reasons
from pumice.optimize.race.contender import Contender
from pumice.optimize.race.reasons import Reason
from pumice.optimize.race.timetable import Timetable

Why = Callable[[Contender], list[Reason]]
"""Tells where a contender's time goes."""


class Offering:
    """Turns what was proven of contenders into findings.

    A variant is offered only if its quality has passed and it is really better: for ``latency``, proven faster at every
    point; for ``size``, smaller and not proven slower.

    Args:
        objective: What a variant has to be better at.
        base_graph: The base's graph as it runs.
        timetable: Knows what is fast enough.
        why_slow: Asked about each that was timed and is not fast enough.
    """

    def __init__(
        self,
        objective: Objective,
        base_graph: GraphFacts | None,
        timetable: Timetable,
        why_slow: Why,
    ) -> None:
        self._objective = objective
        self._base_graph = base_graph
        self._timetable = timetable
        self._why_slow = why_slow

    def findings(self, contenders: list[Contender]) -> list[VariantFinding]:
        """What was found of all of them: the offered ones first, the best of them first."""
        return sorted(map(self._finding, contenders), key=self._rank)

    def _finding(self, contender: Contender) -> VariantFinding:
        told = contender.told
        hindered = self._hindered(contender)
        said = [*hindered, *self._to_know(contender)]
        return VariantFinding(
            name=contender.name,
            verdict=contender.verdict,
            offered=not hindered,
            reasons=[reason.en for reason in said],
            reasons_zh=[reason.zh for reason in said],
            quality=contender.quality(),
            latency_ms=contender.latency.finding() if contender.latency else None,
            size_bytes=told.size_bytes if told else 0,
            recipe=dict((told.recipe if told else None) or contender.candidate.recipe),
            digest=told.digest if told else "",
            batch_dependent=contender.batch_dependent,
            sensitivity=told.sensitivity if told else [],
            graph=told.graph if told else None,
        )

    def _hindered(self, contender: Contender) -> list[Reason]:
        """Why it is not offered; nothing if it is."""
        found = list(contender.left)
        if not contender.told or contender.told.problem or contender.broken:
            return found
        quality = contender.quality()
        if contender.racing and contender.verdict is not Verdict.PASS:
            found.append(reasons.not_proven(quality.needed if quality else None))
        standing = contender.latency
        if contender.racing and (standing is None or not self._timetable.won(standing)):
            found.append(self._timetable.unproven(standing))
        if standing and standing.timed and not self._timetable.won(standing):
            found += self._slowness(contender)
        return found

    def _slowness(self, contender: Contender) -> list[Reason]:
        own = contender.told.graph if contender.told else None
        seen = reasons.seen_in_graph(own, self._base_graph) if own and self._base_graph else []
        return [*self._why_slow(contender), *seen]

    def _to_know(self, contender: Contender) -> list[Reason]:
        notes = contender.told.notes if contender.told else []
        known = [Reason(note, note) for note in notes]
        return [*known, reasons.batch_dependent()] if contender.batch_dependent else known

    def _rank(self, finding: VariantFinding) -> tuple[bool, float, str]:
        if self._objective == "size":
            return not finding.offered, float(finding.size_bytes), finding.name
        return not finding.offered, finding.latency_ms.ratio if finding.latency_ms else float("inf"), finding.name
