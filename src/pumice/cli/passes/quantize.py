"""``pumice quantize``."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from pumice.cli.models.common import JsonOption
from pumice.cli.passes.common import (
    OptionsOption,
    OutputOption,
    SeedOption,
    SourceArgument,
    opened,
    place_for,
    progress,
    read_pairs,
    tell,
)
from pumice.domain.errors import BadSetting
from pumice.engines.processor import this_processor
from pumice.optimize.data.reading import read_examples
from pumice.optimize.data.splitting import Sizes, Splits, split
from pumice.optimize.passes.base import ModelFolder, Supplies, Tell
from pumice.optimize.passes.registry import pass_class
from pumice.optimize.raw_inputs import raw_batches, served_signature
from pumice.optimize.recipes import Recipe, Step, build
from pumice.optimize.sensitivity import LeaveOut, Search

Kind = Literal["int8", "int8-static", "fp16", "int4", "int8-weights", "bf16"]

_PASSES: dict[str, tuple[str, dict[str, Any]]] = {
    "int8": ("int8-dynamic", {}),
    "int8-static": ("int8-static", {}),
    "fp16": ("fp16", {}),
    "int4": ("weight-only", {"bits": 4}),
    "int8-weights": ("weight-only", {"bits": 8}),
    "bf16": ("bf16", {}),
}
_PARTS = Sizes(calibration=512, search=512, share=0.5)


def quantize(  # noqa: PLR0913, PLR0917 - a command's options are its parameters
    source: SourceArgument,
    to: Annotated[
        Kind,
        typer.Option(
            "--to",
            help="int8: 8-bit weights, no data needed. int8-static: activations too, calibrated with --data. fp16,"
            " int4, int8-weights: for size. bf16: for speed, where the processor has it.",
        ),
    ] = "int8",
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", metavar="FILE", help="Typical inputs, without labels: JSONL, CSV, Parquet, NPZ, images."
        ),
    ] = None,
    output: OutputOption = None,
    option: OptionsOption = None,
    leave_out: Annotated[
        float | None,
        typer.Option(
            "--leave-out",
            metavar="ERROR",
            min=0,
            help="Leave the fewest nodes out that keep the answers' error, relative to their size, below this.",
        ),
    ] = None,
    seed: SeedOption = 0,
    json: JsonOption = False,
) -> None:
    """Store a model's numbers in fewer bits. Measures nothing: `pumice certify` and `pumice optimize` do."""
    name, fixed = _PASSES[to]
    options = {**pass_class(name).suited(this_processor()), **fixed, **read_pairs(option)}
    step = Step(name, options, None if leave_out is None else LeaveOut(until=leave_out))
    step.made()  # a wrong option is told before anything is read
    recipe = Recipe(to, "", (step,))
    if data is None and (recipe.needs_calibration or recipe.needs_search):
        needs = to if recipe.needs_calibration else "--leave-out"
        raise BadSetting("--data", "nothing", f"a file of typical inputs, which {needs} needs")
    target = place_for(output, source, to)
    with opened(source) as model, _runnable(model, name) as base, progress(to) as told:
        parts = (
            None if data is None else split(read_examples(data, served_signature(base), base.manifest), seed, _PARTS)
        )
        built = build(recipe, base, target, *_given(base, parts, seed, told))
        tell(built, model, source, json=json)


@contextlib.contextmanager
def _runnable(model: ModelFolder, name: str) -> Iterator[ModelFolder]:
    """The model in a format that the pass takes: exported to ONNX, if it has to be."""
    if model.manifest.format in pass_class(name).formats or model.manifest.format not in pass_class("export").formats:
        yield model
        return
    with tempfile.TemporaryDirectory(prefix="pumice-exported-") as place:
        yield pass_class("export")().apply(model, Path(place) / "onnx")


def _given(base: ModelFolder, parts: Splits | None, seed: int, told: Tell) -> tuple[Supplies, Search | None]:
    if parts is None:
        return Supplies(seed=seed, tell=told), None
    calibration = raw_batches(base, parts.calibration.inputs)
    return Supplies(calibration, seed, told), Search(raw_batches(base, parts.search.inputs))
