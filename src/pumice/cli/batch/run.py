"""Drives a job: reads ahead a little, asks with several callers, writes in order, notes how far it is."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

import msgspec

from pumice.cli.batch.journal import Journal, State
from pumice.cli.batch.writing import ERROR, Writer
from pumice.tables.rows import Row

SYNC_S = 1.0
"""How often results are brought to the disk and noted (s): what a kill makes to be done again."""

Ask = Callable[[Sequence[Row]], list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Pace:
    """How much is asked at once.

    Attributes:
        rows: Rows of a request.
        callers: Requests at once.
    """

    rows: int
    callers: int


class Run:
    """One run of a job.

    Args:
        ask: Turns rows into results.
        writer: Takes the results, in the order of the rows.
        journal: Notes how far it is.
        state: How far it is.
        tell: Called with the state after each request whose results are written.
    """

    def __init__(self, ask: Ask, writer: Writer, journal: Journal, state: State, tell: Callable[[State], None]) -> None:
        self._ask = ask
        self._writer = writer
        self._journal = journal
        self._tell = tell
        self._synced = time.monotonic()
        self.state = state

    def all(self, rows: Iterable[Row], pace: Pace) -> State:
        """Do all rows; what is written when something fails is noted, so that the next run goes on there.

        Raises:
            PumiceError: The server does not answer.
        """
        waiting: deque[Future[list[dict[str, Any]]]] = deque()
        pool = ThreadPoolExecutor(pace.callers)
        try:
            for chunk in _chunks(rows, pace.rows):
                waiting.append(pool.submit(self._ask, chunk))
                # twice as many as callers: one request waits for each while its results are awaited in order
                if len(waiting) >= 2 * pace.callers:
                    self._write(waiting.popleft().result())
            while waiting:
                self._write(waiting.popleft().result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            self._sync()
            self._writer.close()
            raise
        pool.shutdown()
        self._sync()
        self._writer.finish()
        self._journal.remove()
        return self.state

    def _write(self, results: Sequence[Mapping[str, Any]]) -> None:
        self._writer.write(results)
        failed = sum(ERROR in result for result in results)
        self.state = msgspec.structs.replace(
            self.state, rows=self.state.rows + len(results), failed=self.state.failed + failed
        )
        if time.monotonic() - self._synced >= SYNC_S:
            self._sync()
        self._tell(self.state)

    def _sync(self) -> None:
        self.state = msgspec.structs.replace(self.state, place=self._writer.sync())
        self._journal.save(self.state)
        self._synced = time.monotonic()


def _chunks(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    source = iter(rows)
    while chunk := list(islice(source, size)):
        yield chunk
