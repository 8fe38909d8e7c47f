"""Build a candidate: the passes of its recipe, in turn."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import msgspec

from pumice.domain.errors import BadSetting
from pumice.optimize.findings import NodeDamage
from pumice.optimize.passes.base import ModelFolder, Pass, Supplies
from pumice.optimize.passes.selective import SelectivePass
from pumice.optimize.recipes.model import Recipe, Step
from pumice.optimize.sensitivity import Search, Sensitivity, find_sensitive


class Built(msgspec.Struct, frozen=True):
    """A candidate.

    Attributes:
        folder: The model.
        recipe: How it was made: with the nodes that were really left out instead of a search for them, so that it can
            be made again.
        sensitivity: What each node does to the answers, the worst first, where that was measured.
    """

    folder: ModelFolder
    recipe: Recipe
    sensitivity: list[NodeDamage] = msgspec.field(default_factory=list)


def build(
    recipe: Recipe, source: ModelFolder, target: Path, supplies: Supplies | None = None, search: Search | None = None
) -> Built:
    """Run the passes of a recipe.

    Args:
        recipe: What is done.
        source: The model; it is not changed.
        target: Folder of the candidate; it is made, and must not be there yet. It appears whole or not at all.
        supplies: Calibration inputs and the seed.
        search: Inputs and the loss for the search of sensitive nodes, if the recipe has one.

    Raises:
        BadArtefact: A pass cannot use the model.
        BadSetting: A pass needs inputs that are not given, or an option does not suit the model.
        MissingDependency: A pass needs an extra that is not installed.
        UnsafeArtefact: The model's file may run code when it is read.
    """
    supplies = supplies or Supplies()
    target.parent.mkdir(parents=True, exist_ok=True)
    steps: list[Step] = []
    damages: list[NodeDamage] = []
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-steps-", dir=target.parent) as place:
        current = source
        for number, step in enumerate(recipe.steps, start=1):
            made: Pass[Any] = step.made()
            if step.leave_out is not None:
                made, found = _without_sensitive(made, step, current, supplies, search)
                damages.extend(found.damages)
            steps.append(Step(step.name, {**step.options, **_left_out(made, step)}))
            last = number == len(recipe.steps)
            current = made.apply(current, target if last else Path(place) / str(number), supplies)
    return Built(current, msgspec.structs.replace(recipe, steps=tuple(steps)), damages)


def _without_sensitive(
    made: Pass[Any], step: Step, source: ModelFolder, supplies: Supplies, search: Search | None
) -> tuple[Pass[Any], Sensitivity]:
    if search is None:
        raise BadSetting("inputs of the search for sensitive nodes", "none", "some: give more data with --data")
    if not isinstance(made, SelectivePass) or step.leave_out is None:
        raise BadSetting(f"'leave_out' of the pass '{step.name}'", "a search", "none: it cannot leave nodes out")
    found = find_sensitive(made, source, supplies, search, step.leave_out)
    return made.leaving_out(found.left_out), found


def _left_out(made: Pass[Any], step: Step) -> dict[str, Any]:
    return {} if step.leave_out is None else {"nodes_left_out": list(made.options.nodes_left_out)}
