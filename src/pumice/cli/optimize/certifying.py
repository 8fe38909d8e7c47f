"""``pumice certify``: the same evidence for a model that was made elsewhere."""

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
from pumice.domain.evidence.verdict import Verdict
from pumice.optimize.quality.choosing import Wishes
from pumice.optimize.report import write_report
from pumice.service.optimization.asked import Asked
from pumice.service.optimization.operations import Certified
from pumice.service.optimization.operations import certify as run


def certify(  # noqa: PLR0913, PLR0917 - a command's options are its parameters
    candidate: Annotated[
        str, typer.Argument(metavar="CANDIDATE", help="A model's file or folder, or a stored version.")
    ],
    against: Annotated[
        str, typer.Option("--against", metavar="BASE", help="The model that it is to stand in for: a path or REF.")
    ],
    data: DataOption,
    max_drop: MaxDropOption,
    confidence: ConfidenceOption = 0.95,
    report: ReportOption = None,
    metric: MetricOption = "auto",
    slices: SlicesOption = "enough",
    seed: SeedOption = 0,
    batch: BatchOption = "1,16",
    threads: ThreadsOption = "",
    work: WorkOption = None,
    json: JsonOption = False,
) -> None:
    """Prove that a model may stand in for another one; exit code 3 if it fails, or is not proven yet."""
    asked = Asked(
        source=candidate,
        against=against,
        data=data,
        max_drop=max_drop,
        work=work_folder(work),
        confidence=confidence,
        seed=seed,
        wishes=Wishes.parse(metric, strict_slices=slices == "strict"),
        timing=timing_of(batch, threads),
    )
    target = {"candidate": candidate, "against": against}
    with resumable(), live_race() as watch:
        done = changing("certify", target, lambda store: run(asked, store, watch))
    files = write_report(done.report, report) if report else []
    if json:
        print_json(msgspec.to_builtins(done.report))
    else:
        _show(done, files)
    if done.finding.verdict is not Verdict.PASS:
        raise typer.Exit(ExitCode.GATE)


def _show(done: Certified, files: list[Path]) -> None:
    found = done.report
    show_found(found)
    for file in files:
        typer.echo(f"written: {file}")
    quality = done.finding.quality
    verdict = str(done.finding.verdict)
    if done.finding.verdict is Verdict.NOT_YET and quality is not None:
        more = f"about {quality.needed:,} more examples" if quality.needed else "more examples alone would not prove it"
        verdict = f"not yet: {more}"
    where = f"signed with {done.finding.version}" if done.candidate else f"not attached: {done.why_not}"
    typer.echo(f"{verdict}; {where}")
