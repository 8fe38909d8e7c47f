"""``pumice fuse``."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from pumice.cli.models.common import JsonOption
from pumice.cli.passes.common import (
    OptionsOption,
    OutputOption,
    SourceArgument,
    opened,
    place_for,
    progress,
    read_pairs,
    tell,
)
from pumice.optimize.passes.base import Supplies
from pumice.optimize.recipes import Recipe, Step, build


def fuse(
    source: SourceArgument,
    tool: Annotated[
        Literal["onnxslim", "onnxruntime", "transformers"],
        typer.Option(
            "--tool",
            help="onnxslim: standard operators. onnxruntime: what it does when it loads, once and for all."
            " transformers: attention, layer norms and GELU of BERT-like graphs.",
        ),
    ] = "onnxslim",
    output: OutputOption = None,
    option: OptionsOption = None,
    json: JsonOption = False,
) -> None:
    """Fuse the nodes of an ONNX model; the answers stay. Measures nothing: `pumice optimize` does."""
    recipe = Recipe("fuse", "", (Step("fuse", {"tool": tool, **read_pairs(option)}),))
    recipe.steps[0].made()
    with opened(source) as model, progress("fuse") as told:
        tell(build(recipe, model, place_for(output, source, "fused"), Supplies(tell=told)), model, source, json=json)
