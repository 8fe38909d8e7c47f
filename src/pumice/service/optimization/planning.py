"""The plan of a race: data, judge, candidates."""

from __future__ import annotations

import msgspec

from pumice.optimize.data.reading import read_examples
from pumice.optimize.loaded import Measured
from pumice.optimize.making import as_it_is, from_recipes
from pumice.optimize.quality.choosing import judge_for
from pumice.optimize.quality.own import function_named
from pumice.optimize.race.plan import Candidate, Plan
from pumice.service.optimization.asked import Asked
from pumice.service.optimization.originals import Original

ANY_SPEED = -1e6
"""Gain that every candidate has: where quality alone is asked for, none is dropped for being slow."""


def plan_of(asked: Asked, base: Original, candidate: Original | None = None) -> Plan:
    """Read the data and choose what races.

    Args:
        asked: What is asked for.
        base: The model that variants are made from, or that the candidate is held against.
        candidate: One that was made elsewhere; None: the recipes make them.

    Raises:
        BadSetting: The data, the metric or a recipe does not suit the model.
        MissingDependency: An extra is not installed.
    """
    model = Measured(base.folder, threads=1)
    try:
        signature, manifest = model.signature, base.folder.manifest
        examples = read_examples(asked.data, signature, manifest)
        judge = judge_for(signature, manifest, examples.labels, asked.wishes)
    finally:
        model.close()
    timing, racing = asked.timing, _racing(asked, base, candidate)
    return Plan(
        name=base.name,
        source=base.folder,
        data=str(asked.data),
        examples=examples,
        judge=judge,
        strict_slices=asked.wishes.strict_slices,
        candidates=racing,
        cache=asked.work / "runs",  # it is trimmed; what lies beside is not
        seed=asked.seed,
        max_drop=asked.max_drop,
        confidence=asked.confidence,
        objective="latency" if candidate else asked.objective,
        timing=msgspec.structs.replace(timing, gain=ANY_SPEED) if candidate else timing,
        judge_digest=function_named(asked.wishes.metric)[1] if ":" in asked.wishes.metric else "",
    )


def _racing(asked: Asked, base: Original, candidate: Original | None) -> list[Candidate]:
    if candidate is not None:
        return [as_it_is(candidate.name, candidate.folder)]
    return from_recipes(asked.recipes, base.folder)
