"""The race as it runs: a live table on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pumice.cli.optimize.table import race_line, race_table
from pumice.optimize.progress import RaceView, Watch

_LINE_EVERY_S = 10.0


@contextmanager
def live_race() -> Iterator[Watch]:
    """Show a race on standard error while it runs.

    Yields:
        What is told of each moment.
    """
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield _Lines().show
        return
    with Live(console=console, refresh_per_second=8, transient=True) as live:

        def show(view: RaceView) -> None:
            live.update(race_table(view))

        yield show


class _Lines:
    """A line for each new step, and one now and then within it."""

    def __init__(self) -> None:
        self._step = ""
        self._told = -_LINE_EVERY_S

    def show(self, view: RaceView) -> None:
        now = time.monotonic()
        if view.step == self._step and now - self._told < _LINE_EVERY_S:
            return
        self._step, self._told = view.step, now
        sys.stderr.write(race_line(view) + "\n")
        sys.stderr.flush()
