"""What both commands share: options, the working directory on the path, and what is said when Ctrl-C stops them."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer

from pumice.config import load_settings
from pumice.domain.errors import BadSetting
from pumice.optimize.race.plan import Timing

DataOption = Annotated[
    Path,
    typer.Option(
        "--data", metavar="FILE", help="Examples: JSONL, CSV, Parquet or NPZ, columns named as inputs; or images."
    ),
]
MaxDropOption = Annotated[float, typer.Option("--max-drop", help="Quality that may be lost: 0.01 is one point.")]
ConfidenceOption = Annotated[float, typer.Option("--confidence", help="Level at which all verdicts hold together.")]
SeedOption = Annotated[int, typer.Option("--seed", help="Of the shuffle of the examples.")]
MetricOption = Annotated[
    str,
    typer.Option(
        "--metric",
        metavar="NAME[=VALUE][@OUTPUT]",
        help="auto, label, highest, tokens=0.9, tolerance=1%, neighbours=5, or module:function of yours.",
    ),
]
SlicesOption = Annotated[
    Literal["enough", "strict"],
    typer.Option("--slices", help="Which parts of the data must pass: those with enough examples to, or all."),
]
WorkOption = Annotated[
    Path | None, typer.Option("--work", metavar="DIR", help="Where a run goes on after a stop. [optimize/ of the home]")
]
ThreadsOption = Annotated[
    str, typer.Option("--threads", help="Threads of one inference in serving: 1, or 1,2. [every core: one replica]")
]
BatchOption = Annotated[str, typer.Option("--batch", help="Batch sizes of serving.")]
ReportOption = Annotated[
    Path | None, typer.Option("--report", metavar="DIR", help="Write report.json and report.html there.")
]


def timing_of(batch: str, threads: str) -> Timing:
    """Read batch sizes and threads.

    Raises:
        BadSetting: They are none.
    """
    timing = Timing(rows=_numbers("--batch", batch))
    return msgspec.structs.replace(timing, threads=_numbers("--threads", threads)) if threads else timing


def work_folder(work: Path | None) -> Path:
    """Where runs go on after a stop."""
    return (work or load_settings({}).home_path / "optimize").expanduser().absolute()


@contextlib.contextmanager
def resumable() -> Iterator[None]:
    """Look up modules from the working directory too, and tell how to go on when Ctrl-C stops it."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("stopped; the same command goes on where it was", err=True)
        raise


def _numbers(option: str, text: str) -> tuple[int, ...]:
    try:
        found = tuple(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError:
        found = ()
    if not found or min(found) < 1:
        raise BadSetting(option, repr(text), "whole numbers from 1, such as 1 or 1,16")
    return found
