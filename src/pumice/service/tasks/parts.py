"""Runs a task of many rows in parts, so that its progress is true and a restart does not begin from nothing.

A part is meant to take `PART_S`: long enough that the replicas are busy all along, short enough that others get their
turn and that progress moves. What is done is kept on disk every `KEEP_S`, and in memory between two tries.
All rows are answered by one version: if that goes while another takes its place, the task begins anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from pumice.db.tasks import PartRow
from pumice.domain.errors import ModelNotFound
from pumice.domain.request import InferRequest, InferResult
from pumice.service.tasks import codec
from pumice.service.tasks.clock import Clock
from pumice.service.tasks.lanes import Entry
from pumice.service.tasks.ports import Runner
from pumice.service.tasks.store import TaskStore

FIRST_ROWS = 64
"""Rows of the first part; a request of no more is run as a whole."""

PART_S = 0.5
"""How long a part is meant to take (s)."""

KEEP_S = 2.0
"""What is done is kept on disk after so much work (s)."""

_MOST_ROWS = 1 << 16


class Gone(Exception):
    """The task is no longer unfinished."""


class PartedRun:
    """One try at one task of many rows; what it has done stays with the entry.

    Args:
        runner: Runs the parts.
        store: Keeps what is done.
        clock: The times.
    """

    def __init__(self, runner: Runner, store: TaskStore, clock: Clock) -> None:
        self._runner = runner
        self._store = store
        self._clock = clock

    async def run(self, entry: Entry, request: InferRequest) -> InferResult:
        """Run a checked request.

        Args:
            entry: Its task; its `done` follows the work.
            request: The request, its rows set.

        Raises:
            Gone: The task was finished or cancelled by another gateway.
            PumiceError: As the runner.
        """
        entry.rows = request.rows
        if not entry.results:
            await self._recall(entry)
        size = FIRST_ROWS
        kept, kept_at = len(entry.results), self._clock.monotonic()
        while entry.done < request.rows:
            started = self._clock.monotonic()
            result = await self._next(entry, rows_of(request, entry.done, size))
            if result is None:
                kept, size = 0, FIRST_ROWS
                continue
            entry.results.append(result)
            entry.done = min(entry.done + size, request.rows)
            now = self._clock.monotonic()
            size = _resized(size, now - started)
            if now - kept_at >= KEEP_S and entry.done < request.rows:
                await self._keep(entry, kept)
                kept, kept_at = len(entry.results), now
        return joined(entry.results)

    async def _next(self, entry: Entry, part: InferRequest) -> InferResult | None:
        """Run a part by the version that ran the others; None if it has gone, so that all begins anew."""
        model, version = entry.key
        if not entry.results:
            return await self._runner.infer(model, version, part)
        try:
            return await self._runner.infer(model, entry.results[0].version, part)
        except ModelNotFound:
            if version:
                raise
            entry.results.clear()
            entry.done = 0
            await self._store.forget_parts(entry.task_id)
            return None

    async def _recall(self, entry: Entry) -> None:
        """Take up what an earlier gateway has done."""
        for part in await self._store.parts_of(entry.task_id):
            if part["first"] == entry.done:  # after a gap there is nothing to be joined
                entry.results.append(codec.decode_result(part["outcome"]))
                entry.done += part["rows"]

    async def _keep(self, entry: Entry, since: int) -> None:
        fresh = joined(entry.results[since:])
        rows = len(next(iter(fresh.outputs.values())))
        part = PartRow(task=entry.task_id, first=entry.done - rows, rows=rows, outcome=codec.encode_result(fresh))
        if not await self._store.keep_part(part):
            raise Gone


def rows_of(request: InferRequest, first: int, rows: int) -> InferRequest:
    """Cut some rows out of a request."""
    return replace(request, inputs={name: array[first : first + rows] for name, array in request.inputs.items()})


def joined(results: Sequence[InferResult]) -> InferResult:
    """Make one answer of the answers to the parts of a request, which one version gave."""
    first = results[0]
    if len(results) == 1:
        return first
    outputs = {name: np.concatenate(list(_each(results, name))) for name in first.outputs}
    return InferResult(outputs, first.model, first.version)


def _each(results: Sequence[InferResult], name: str) -> Iterator[np.ndarray]:
    return (result.outputs[name] for result in results)


def _resized(rows: int, seconds: float) -> int:
    if seconds < PART_S / 2:
        return min(rows * 2, _MOST_ROWS)
    return max(rows // 2, 1) if seconds > PART_S * 2 else rows
