"""Candidates of a race: from recipes, or from a model that is there already."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

import msgspec

from pumice.engines.processor import this_processor
from pumice.optimize.passes.base import MANIFEST, ModelFolder, Supplies
from pumice.optimize.race.digests import model_digest
from pumice.optimize.race.plan import Built, Candidate, Material
from pumice.optimize.raw_inputs import raw_batches
from pumice.optimize.recipes import Recipe, build, candidates, facts_of
from pumice.optimize.sensitivity import Search


def from_recipes(names: Iterable[str], source: ModelFolder) -> list[Candidate]:
    """Choose candidates for a model on this processor.

    Args:
        names: Names of built-in recipes, or recipe files.
        source: The model.

    Raises:
        BadSetting: There is no such recipe, or none suits.
        MissingDependency: The extra ``optimize`` is not installed.
    """
    chosen = candidates(names, facts_of(source), this_processor())
    return [Candidate(recipe.name, recipe.told, partial(_cooked, recipe)) for recipe in chosen]


def as_it_is(name: str, model: ModelFolder) -> Candidate:
    """A candidate that was made elsewhere; its recipe is its digest.

    Args:
        name: What to call it.
        model: Its files.
    """
    # what it is known by: the results of one model are never taken for those of another of its name
    return Candidate(name, {"model": model_digest(model)}, partial(_copied, model))


def _cooked(recipe: Recipe, material: Material, target: Path) -> Built:
    source = material.source
    calibration = raw_batches(source, material.calibration.inputs) if recipe.needs_calibration else None
    search = Search(raw_batches(source, material.search.inputs)) if recipe.needs_search else None
    made = build(recipe, source, target, Supplies(calibration, material.seed), search)
    # a search is replaced by the nodes that it found, so that the variant can be made again
    return Built(made.sensitivity, recipe=made.recipe.told if search else None)


def _copied(model: ModelFolder, _material: Material, target: Path) -> Built:
    lay_down(model, target)
    return Built()


def lay_down(model: ModelFolder, target: Path) -> None:
    """Lay a model's own files into a folder that is not there yet, with its manifest."""
    files = [*model.weight_files, *([model.path / model.manifest.tokenizer] if model.manifest.tokenizer else [])]
    link_files([file.relative_to(model.path) for file in files], model.path, target)
    write_manifest(target, model)


def link_files(names: Sequence[Path], source: Path, target: Path) -> None:
    """Let files of a folder appear in another one, without copying their bytes where the file system allows it."""
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link((source / name).resolve(), target / name)
        except OSError:  # another file system
            shutil.copyfile(source / name, target / name)


def write_manifest(folder: Path, model: ModelFolder) -> None:
    """Write a model's manifest into a folder, in the form that people read."""
    text = msgspec.json.format(msgspec.json.encode(model.manifest), indent=2)
    (folder / MANIFEST).write_bytes(text + b"\n")
