"""The command: examines, and shows what was found."""

from __future__ import annotations

from typing import Annotated

import typer

from pumice.cli.doctor.machine import Machine
from pumice.cli.doctor.report import Report, examine
from pumice.cli.output import console, print_json
from pumice.config import load_settings
from pumice.runtime.worker.sandbox import MEASURES

_GIB = 1 << 30


def doctor(json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False) -> None:
    """Tell what this machine offers, and what is missing."""
    report = examine(load_settings({}))
    if json:
        print_json(report)
    else:
        _show(report)
    if not report.healthy:
        raise typer.Exit(1)


def _show(report: Report) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=f"pumice {report.pumice}, Python {report.python}", show_header=False, title_justify="left")
    for name, value in _rows(report):
        table.add_row(name, Text(value))
    screen = console()
    screen.print(table)
    for problem in report.problems:
        mark = Text("broken  " if problem.needed else "missing ", style="red" if problem.needed else "yellow")
        screen.print(mark.append(f"{problem.what}: {problem.mend}", style="default"), soft_wrap=True)
    if report.healthy:
        screen.print("Ready to serve.", style="green")


def _rows(report: Report) -> list[tuple[str, str]]:
    home = report.home
    state = f"{home.mode}, {home.free_bytes / _GIB:.1f} GiB free" if home.exists else "made when it is first needed"
    installed = [extra.name for extra in report.extras if not extra.install]
    return [
        *_machine_rows(report.machine),
        ("onnxruntime", f"{report.onnxruntime.version or 'broken'} ({', '.join(report.onnxruntime.providers)})"),
        ("extras", ", ".join(installed) or "none"),
        ("home", f"{home.path} ({state})"),
        ("sandbox", ", ".join(measure.name for measure in MEASURES if report.sandbox[measure.name]) or "nothing"),
        ("ports", ", ".join(f"{port.number} {port.use} {'free' if port.free else 'taken'}" for port in report.ports)),
    ]


def _machine_rows(machine: Machine) -> list[tuple[str, str]]:
    gpus = [f"{gpu.name} ({gpu.memory_bytes / _GIB:.0f} GiB, driver {gpu.driver})" for gpu in machine.gpus]
    lacking = f" (not: {', '.join(machine.lacking)})" if machine.lacking else ""
    return [
        ("system", f"{machine.system}, {machine.architecture}"),
        ("processor", machine.processor),
        ("cores", f"{machine.usable_cores:g} usable of {machine.cores}"),
        ("features", f"{', '.join(machine.features) or 'none known'}{lacking}"),
        ("memory", f"{machine.available_bytes / _GIB:.1f} GiB free of {machine.memory_bytes / _GIB:.1f} GiB"),
        ("gpus", ", ".join(gpus) or "none found"),
    ]
