"""Which candidates are worth a try: a pure choice by the model and the processor."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import msgspec

from pumice.domain.errors import BadSetting
from pumice.domain.processor import Processor
from pumice.optimize.passes.registry import installed_passes, pass_class
from pumice.optimize.recipes.facts import ModelFacts
from pumice.optimize.recipes.model import Recipe, Step
from pumice.optimize.recipes.reading import RecipeFile, When, read_recipe

_FOLDER = Path(__file__).parent / "built_in"

BUILT_IN = ("auto", "int8", "fp16", "small", "fast")
"""Names of the recipes that come with the package."""

Installed = Callable[[str], bool]
"""Whether a Python module is installed."""


def _is_installed(module: str) -> bool:
    return find_spec(module) is not None


def candidates(
    names: Iterable[str], facts: ModelFacts, processor: Processor, installed: Installed = _is_installed
) -> list[Recipe]:
    """Choose the candidates.

    A candidate whose conditions do not hold, or whose first pass does not take the model, is left out; a model that has
    to be exported to ONNX first gets that as its first pass. Options that the processor asks for are written into the
    recipe, so that its digest stands for what is really done.

    Args:
        names: Names of built-in recipes, or recipe files.
        facts: The model.
        processor: The processor on which the model will be served.
        installed: Whether a module is there.

    Returns:
        Recipes that do different things, each once, in the order of the files.

    Raises:
        BadSetting: There is no such recipe, a file is wrong, or none of them suits the model and the processor.
    """
    asked = list(names)
    here = _Here(facts, processor, installed)
    chosen: dict[str, Recipe] = {}
    for name in asked:
        for recipe in _of(name, here, ()):
            suited = _suited(recipe, facts, processor)
            if suited is not None:
                chosen.setdefault(suited.digest, suited)
    recipes = list(chosen.values())
    if not recipes:
        ops = "" if facts.operators is None else f" with {', '.join(facts.operators)}"
        given = f"{', '.join(asked)} for a model of format '{facts.format}'{ops} on {processor.architecture}"
        raise BadSetting("recipe", given, f"a recipe that suits it; built in are {', '.join(BUILT_IN)}")
    _refuse_twins(recipes)
    return recipes


def load_recipe(name: str) -> RecipeFile:
    """Read a recipe by its name, or from its file.

    Raises:
        BadSetting: There is no such recipe, or the file is wrong.
    """
    path = _FOLDER / f"{name}.yaml" if name in BUILT_IN else Path(name).expanduser()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = "" if isinstance(error, FileNotFoundError) else f" ({error})"
        raise BadSetting("recipe", repr(name), f"{', '.join(BUILT_IN)}, or a YAML file{reason}") from None
    return read_recipe(text, name if name in BUILT_IN else str(path))


def _of(name: str, here: _Here, above: Sequence[str]) -> Iterator[Recipe]:
    """Recipes of a file whose conditions hold, those that it includes first."""
    if name in above:
        raise BadSetting(f"recipe '{name}'", f"includes itself by {' -> '.join((*above, name))}", "no circle")
    file = load_recipe(name)
    for other in file.include:
        if here.holds(other.when):
            file_of_its_own = name not in BUILT_IN and other.recipe not in BUILT_IN
            beside = str(Path(name).parent / other.recipe) if file_of_its_own else other.recipe
            yield from _of(beside, here, (*above, name))
    yield from (candidate.recipe for candidate in file.candidates if here.holds(candidate.when))


@dataclass(frozen=True)
class _Here:
    """What conditions are held against."""

    facts: ModelFacts
    processor: Processor
    installed: Installed

    def holds(self, when: When) -> bool:
        features, operators = set(self.processor.features), self.facts.operators
        conditions = [
            not when.features or bool(features.intersection(when.features)),
            not features.intersection(when.without_features),
            not when.architectures or self.processor.architecture in when.architectures,
            all(map(self.installed, when.packages)),
        ]
        if operators is not None:
            conditions += [
                not when.operators or bool(operators.keys() & when.operators),
                not operators.keys() & when.without_operators,
            ]
        return all(conditions)


def _suited(recipe: Recipe, facts: ModelFacts, processor: Processor) -> Recipe | None:
    """The recipe for this model and processor; None if its passes do not take what they are given."""
    steps = [
        Step(step.name, {**pass_class(step.name).suited(processor), **step.options}, step.leave_out)
        for step in recipe.steps
    ]
    chain = _fitting(steps, facts.format)
    return None if chain is None else msgspec.structs.replace(recipe, steps=tuple(chain))


def _fitting(steps: list[Step], given: str) -> list[Step] | None:
    if not _chain_fits(steps, given):
        exporting = installed_passes().get("export")
        if (
            exporting is None
            or given not in exporting.formats
            or not _chain_fits(steps, exporting.result_format(given))
        ):
            return None
        return [Step("export"), *steps]
    return steps


def _chain_fits(steps: Sequence[Step], given: str) -> bool:
    for step in steps:
        kind = pass_class(step.name)
        if given not in kind.formats:
            return False
        given = kind.result_format(given)
    return True


def _refuse_twins(recipes: Sequence[Recipe]) -> None:
    seen: dict[str, Recipe] = {}
    for recipe in recipes:
        if recipe.name in seen:
            raise BadSetting(
                "recipes", f"two that do different things, both called '{recipe.name}'", "names that differ"
            )
        seen[recipe.name] = recipe
