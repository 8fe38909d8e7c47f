"""``pumice optimize``: variants of a model, raced, proven, stored."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from pumice.cli.errors import ExitCode
from pumice.cli.models.common import JsonOption, changing
from pumice.cli.optimize.common import (
    BatchOption,
    ConfidenceOption,
    DataOption,
    MaxDropOption,
    MetricOption,
    ReportOption,
    SeedOption,
    SlicesOption,
    ThreadsOption,
    WorkOption,
    resumable,
    timing_of,
    work_folder,
)
from pumice.cli.optimize.live import live_race
from pumice.cli.optimize.table import show_found
from pumice.cli.output import print_json
from pumice.domain.store.records import VersionRecord
from pumice.optimize.findings import Objective
from pumice.optimize.quality.choosing import Wishes
from pumice.optimize.report import write_report
from pumice.service.optimization.asked import Asked
from pumice.service.optimization.keeping import ALIASES
from pumice.service.optimization.operations import Optimized
from pumice.service.optimization.operations import optimize as run


def optimize(  # noqa: PLR0913, PLR0917 - a command's options are its parameters
    source: Annotated[
        str, typer.Argument(metavar="SOURCE|REF", help="A model's file or folder, or a stored version: NAME[@VERSION].")
    ],
    data: DataOption,
    max_drop: MaxDropOption,
    confidence: ConfidenceOption = 0.95,
    objective: Annotated[
        Objective, typer.Option("--objective", help="What a variant has to be better at to be offered.")
    ] = "latency",
    recipe: Annotated[
        list[str] | None,
        typer.Option("--recipe", metavar="NAME|FILE", help="auto, int8, fp16, small, fast, or a file. Repeatable."),
    ] = None,
    report: ReportOption = None,
    name: Annotated[str, typer.Option("--name", help="Name in the store. [that of the source]")] = "",
    all_passed: Annotated[
        bool, typer.Option("--all-passed", help="Store also variants that passed and are not better.")
    ] = False,
    metric: MetricOption = "auto",
    slices: SlicesOption = "enough",
    seed: SeedOption = 0,
    batch: BatchOption = "1,16",
    threads: ThreadsOption = "",
    work: WorkOption = None,
    json: JsonOption = False,
) -> None:
    """Make a model light, and prove that it is still right; exit code 3 if no variant is offered."""
    asked = Asked(
        source=source,
        data=data,
        max_drop=max_drop,
        work=work_folder(work),
        name=name,
        confidence=confidence,
        objective=objective,
        recipes=tuple(recipe or ["auto"]),
        seed=seed,
        wishes=Wishes.parse(metric, strict_slices=slices == "strict"),
        timing=timing_of(batch, threads),
        all_passed=all_passed,
    )
    target = {"source": source, "model": name}
    with resumable(), live_race() as watch:
        done = changing("optimize", target, lambda store: run(asked, store, watch))
    files = write_report(done.report, report) if report else []
    if json:
        print_json(msgspec.to_builtins(done.report))
    else:
        _show(done, files)
    if not done.report.offered:
        raise typer.Exit(ExitCode.GATE)


def _show(done: Optimized, files: list[Path]) -> None:
    found, kept = done.report, done.kept
    show_found(found)
    for name, record in kept.variants.items():
        typer.echo(f"{name}: {_ref(record)}, certified against {_ref(kept.base)}")
    for file in files:
        typer.echo(f"written: {file}")
    if kept.alias:
        typer.echo(f"{kept.alias} -> {found.offered[0].version}: `pumice serve {kept.alias}`")
        return
    alias = f"{kept.base.model}@{ALIASES[found.objective]}"
    typer.echo(f"no variant is offered, so {alias} is left as it is; the original is {_ref(kept.base)}", err=True)


def _ref(record: VersionRecord) -> str:
    return f"{record.model}@{record.version}"
