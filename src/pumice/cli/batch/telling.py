"""Tells how a job goes: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

from pumice.cli.batch.journal import State
from pumice.tables.rows import Reader

LINE_EVERY_S = 10.0
"""How often a line is written where there is no terminal (s)."""


@contextlib.contextmanager
def telling(reader: Reader, begun: State) -> Iterator[Callable[[State], None]]:
    """Tell on standard error how far the job is, and that it goes on where it was.

    Args:
        reader: Says how much of the input is read.
        begun: How far the job was when this run began.
    """
    if begun.rows:
        sys.stderr.write(f"resumed at row {begun.rows:,}\n")
    with _bar(reader) if sys.stderr.isatty() else contextlib.nullcontext(_lines(begun)) as tell:
        yield tell


def _lines(begun: State) -> Callable[[State], None]:
    started = told = time.monotonic()

    def tell(state: State) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told >= LINE_EVERY_S:
            told = now
            rate = (state.rows - begun.rows) / (now - started)
            sys.stderr.write(f"{state.rows:,} rows, {state.failed:,} failed, {rate:,.0f} rows/s\n")

    return tell


@contextlib.contextmanager
def _bar(reader: Reader) -> Iterator[Callable[[State], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), TextColumn("{task.percentage:3.0f} %"), TextColumn("{task.description}"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        bar = progress.add_task("", total=max(reader.total, 1))

        def tell(state: State) -> None:
            words = f"{state.rows:,} rows, {state.failed:,} failed"
            progress.update(bar, completed=reader.position, description=words)

        yield tell
