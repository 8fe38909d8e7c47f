"""The bench's candidates as variants in a race, each beside a base that carries much it does not need."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from pumice.optimize.findings import Report
from pumice.optimize.quality.classes import Highest
from pumice.optimize.race import plan
from pumice.optimize.run import optimize
from tests.optimize.sabotage.candidates import MARGIN, Candidate
from tests.optimize.sabotage.networks import base

_WIDTH = 6000
"""Units of the base's first hidden layer, so that every candidate that does its work is really lighter."""

TIMING = plan.Timing(rows=(16,), pairs=12, blocks=8, seconds=15.0)


def copied(made: str, _: plan.Material, target: Path) -> plan.Built:
    """Take a model directory that lies there already."""
    shutil.copytree(made, target)
    return plan.Built()


def raced(
    candidates: Sequence[Candidate], folder: Path, *, wide: bool = True, strict: bool = False, seed: int = 0
) -> Report:
    """Race candidates of one base against it.

    Args:
        candidates: They have the same base.
        folder: For all files.
        wide: Whether the base is much heavier than they are.
        strict: Whether small slices must pass too.
        seed: Of the base's training, and of the race.
    """
    own = base(candidates[0].kind, seed)
    network = own.network.widened(_WIDTH) if wide else own.network
    field = []
    for place, candidate in enumerate(candidates):
        made = candidate.write(folder / f"made-{place}", seed)
        field.append(plan.Candidate(candidate.name, {"change": candidate.name}, partial(copied, str(made.path))))
    wanted = plan.Plan(
        name="bench",
        source=network.write(folder / "base"),
        data="bench",
        examples=own.examples,
        judge=Highest("logits"),
        candidates=field,
        cache=folder / "cache",
        seed=seed,
        max_drop=MARGIN,
        timing=TIMING,
        block=256,
        strict_slices=strict,
    )
    return optimize(wanted, lambda _: None).report
