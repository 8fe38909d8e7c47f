"""``pumice export onnx``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pumice.cli.models.common import JsonOption
from pumice.cli.passes.common import OptionsOption, SeedOption, SourceArgument, opened, progress, read_pairs, tell
from pumice.optimize.passes.base import Supplies
from pumice.optimize.recipes import Recipe, Step, build


def export_onnx(
    source: SourceArgument,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the result; it must not be there yet.")],
    option: OptionsOption = None,
    seed: SeedOption = 0,
    json: JsonOption = False,
) -> None:
    """Write a torch program (.pt2) or a Hugging Face directory as ONNX, and hold its answers against the original's."""
    recipe = Recipe("export", "", (Step("export", read_pairs(option)),))
    recipe.steps[0].made()
    with opened(source) as model, progress("export") as told:
        built = build(recipe, model, folder.expanduser().absolute(), Supplies(seed=seed, tell=told))
        tell(built, model, source, json=json)
