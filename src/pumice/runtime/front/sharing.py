"""When a batch goes, and how large it is.

A batch is formed at the moment a replica is free (late binding). Two questions are left, and the fitted latency curve
answers both: whether several free replicas share what waits, and whether a replica that has just become free waits
for the callers that it has just answered.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from pumice.runtime.front.curve import LatencyCurve

_LONGEST_HOLD = 0.01
"""Longest wait for the callers that were just answered (s)."""

_SHORTEST_HOLD = 0.0003
"""A fixed cost below this is not worth a wait (s)."""

_WORTH_SAVING = 0.05
"""A batch is full when more rows would save less than this part of the time a row takes."""

_FULL_AT_LEAST = 8
"""The fit is not trusted below this (rows)."""

_EXPECT = 0.9
"""Part of the returning callers that is waited for."""


class Sharing:
    """Decides for one version.

    Args:
        max_rows: Most rows of a batch.
        max_delay: Longest wait for a fuller batch (s); 0: none.

    Attributes:
        curve: What is known of the batches' times.
        max_rows: Most rows of a batch.
        max_delay: Longest wait for a fuller batch (s).
    """

    def __init__(self, max_rows: int, max_delay: float) -> None:
        self.curve = LatencyCurve()
        self.max_rows = max_rows
        self.max_delay = max_delay
        self._returning = 0.0  # part of the answered callers that came back at once, lately
        self._answered = 0  # requests of the last batch
        self._seen = 0  # requests that came since, within the window
        self._window_end = 0.0

    def arrived(self, now: float) -> None:
        """Count a request."""
        if now <= self._window_end:
            self._seen += 1

    def answered(self, rows: int, requests: int, seconds: float, now: float) -> None:
        """Learn from a finished batch.

        Args:
            rows: Its rows.
            requests: Its requests.
            seconds: Time that it took in the replica (s).
            now: The monotonic clock (s).
        """
        self.curve.observe(rows, seconds)
        if self._answered:
            part = min(self._seen / self._answered, 1.0)
            self._returning += 0.2 * (part - self._returning)
        _, fixed = self.curve.line
        self._answered, self._seen = requests, 0
        self._window_end = now + (min(fixed, _LONGEST_HOLD) if fixed >= _SHORTEST_HOLD else 0.0)

    def hold_until(self, waiting_rows: int, oldest: float, now: float) -> float:
        """Tell until when a batch is to be held back.

        Waiting delays those that are there by the window at most; going without the returning callers would cost a
        fixed cost more. So it pays while more callers are expected back than are waiting.

        Args:
            waiting_rows: Rows that wait.
            oldest: When the first of them came (s).
            now: The monotonic clock (s).

        Returns:
            A moment (s); not later than ``now``: let it go.
        """
        if waiting_rows >= self.full:
            return now
        until = oldest + self.max_delay
        if self._window_end > now and self._answered * self._returning * _EXPECT - self._seen >= 1.0:
            until = max(until, self._window_end)
        return until

    @property
    def full(self) -> int:
        """Rows from which a larger batch is hardly faster by the row, and only makes callers wait for each other."""
        per_row, fixed = self.curve.line
        if fixed >= _WORTH_SAVING * per_row * self.max_rows:
            return self.max_rows
        return min(max(math.ceil(fixed / (_WORTH_SAVING * per_row)), _FULL_AT_LEAST), self.max_rows)

    def by_the_batch(self, waiting_rows: int) -> bool:
        """Whether a batch of these rows costs more for being one than for its rows: a fuller one is worth a turn."""
        per_row, fixed = self.curve.line
        return per_row * waiting_rows < fixed

    def rows_for(self, waiting_rows: int, free: int, running: Sequence[tuple[int, float]], now: float) -> int:
        """Say how many rows the next batch takes.

        The rows that wait are shared with the replicas that are free too, and with one that will be free so soon that
        it answers its share no later than a batch of all of them would be answered. Without the second, a replica that
        once got 15 of 16 callers would keep them: each batch's callers come back when it ends. It pays when the rows
        that are left take longer than the fixed cost of one more batch.

        Args:
            waiting_rows: Rows that wait.
            free: Replicas that are free, this one among them; at least 1.
            running: Rows of each batch that runs, and when it began (s).
            now: The monotonic clock (s).
        """
        per_row, fixed = self.curve.line
        share = -(-waiting_rows // free)
        if free == 1 and running:
            per_replica = -(-(waiting_rows + sum(rows for rows, _ in running)) // (1 + len(running)))
            free_in = min(started + per_row * rows + fixed for rows, started in running) - now
            share = per_replica if free_in < per_row * per_replica else waiting_rows
        if per_row * (waiting_rows - share) > fixed:
            return min(share, self.full)
        return self.full
