"""Two groups of requests, each served by one version: is the candidate's rate of bad ones higher?"""

from __future__ import annotations

import math
from bisect import bisect_left
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from pumice.domain.errors import MalformedInput
from pumice.domain.evidence.mixture import from_log, threshold
from pumice.domain.evidence.proportion import proportion_interval
from pumice.domain.evidence.record import Block, Decision, Record
from pumice.domain.evidence.sequential import Interval, SequentialTest
from pumice.domain.evidence.verdict import Verdict

Counts = npt.ArrayLike
"""A number of requests, or an array of such numbers, in order of time."""

_ODDS: np.ndarray = np.geomspace(1.15, 64.0, 16)
_PART = 32
_FARTHEST = 1 << 40
_GROUPS = ("base_bad", "base_n", "candidate_bad", "candidate_n")


class RateIncrease(SequentialTest):
    """Whether a candidate's rate of bad requests is proven higher than its base's. It gives FAIL or nothing.

    Method: the two-sample e-process for Bernoulli rates of Turner, Ly and Grünwald ("Generic e-variables for exact
    sequential k-sample tests that allow for optional stopping", 2024). Requests are put together in blocks with both
    groups in each. A block multiplies the evidence by the likelihood under an alternative (a, b) over that under the
    rate that both would have together. Here a is learned from the blocks before, b has the odds of a times a ratio, and
    16 ratios from 1.15 to 64 are mixed. For b > a the product has, by the inequality of arithmetic and geometric means,
    a mean of at most 1 wherever the candidate's rate is not above the base's, equal or not.

    Null: the candidate's rate is at most the base's. It is wrongly rejected with a probability of at most alpha over
    all looks together, provided that what closes a block is not its outcomes: one is closed by its size alone, when it
    has both groups and a 32nd of what came before. What waits for that counts in `interval` and not yet in `e_value`.

    Args:
        alpha: Probability of a wrong FAIL.

    Raises:
        BadSetting: Alpha is not between 0 and 1.
    """

    name: ClassVar[str] = "rate-increase"

    def __init__(self, alpha: float = 0.05) -> None:
        super().__init__(alpha)
        self._seen = np.zeros(4, np.int64)
        self._closed = np.zeros(4, np.int64)
        self._logs = np.zeros(len(_ODDS))
        self._blocks: list[Block] = []
        self._decision: Decision | None = None

    @property
    def n(self) -> int:
        """Requests of both groups."""
        return int(self._seen[1] + self._seen[3])

    @property
    def verdict(self) -> Verdict:
        """What is proven; stays as it was when it was first proven."""
        return Verdict.NOT_YET if self._decision is None else self._decision.verdict

    @property
    def e_value(self) -> float:
        """Evidence that the candidate's rate is higher, now."""
        return from_log(self._log())

    @property
    def interval(self) -> Interval:
        """The candidate's rate minus the base's, at a level of 1 - alpha over all looks together."""
        base, candidate = self._intervals(self.alpha / 2)
        return Interval(candidate.low - base.high, candidate.high - base.low)

    def update(self, base_bad: Counts, base_n: Counts, cand_bad: Counts, cand_n: Counts) -> None:
        """Take in requests of both groups; either may be none.

        Args:
            base_bad: Bad ones among the base's, one number or [updates].
            base_n: Requests of the base.
            cand_bad: Bad ones among the candidate's.
            cand_n: Requests of the candidate.

        Raises:
            MalformedInput: These are not whole numbers from 0, not equally many, or more are bad than came.
        """
        path = self._seen + np.cumsum(_counted(base_bad, base_n, cand_bad, cand_n), axis=0)
        if not len(path):
            return
        base, candidate, both = path[:, 1].tolist(), path[:, 3].tolist(), (path[:, 1] + path[:, 3]).tolist()
        at = 0
        while True:
            done_base, done_candidate = int(self._closed[1]), int(self._closed[3])
            done = done_base + done_candidate
            at = max(
                bisect_left(base, done_base + 1, at),
                bisect_left(candidate, done_candidate + 1, at),
                bisect_left(both, done + max(1, -(-done // _PART)), at),
            )
            if at >= len(path):
                break
            self._close(path[at])
        self._seen = path[-1]

    def futile(self, n_max: int) -> bool:
        """Whether a higher rate cannot be proven any more within a number of requests; see `SequentialTest.futile`."""
        if self.verdict is not Verdict.NOT_YET:
            return False
        base, candidate = self._intervals(self.alpha)
        return self._log_with(max(0, n_max - self.n), base.low, candidate.high) < threshold(self.alpha)

    def remaining(self) -> int | None:
        """About how many more requests prove a higher rate if they go on as so far; None if they would not."""
        if self.verdict is not Verdict.NOT_YET:
            return 0
        base = (self._seen[0] + 0.5) / (self._seen[1] + 1.0)
        candidate = (self._seen[2] + 0.5) / (self._seen[3] + 1.0)
        more = 1
        while self._log_with(more, base, candidate) < threshold(self.alpha):
            more *= 2
            if more > _FARTHEST:
                return None
        return more

    def record(self) -> Record:
        """What is kept of it."""
        interval = self.interval
        return Record(
            test=self.name,
            alpha=self.alpha,
            verdict=self.verdict,
            n=self.n,
            counts=dict(zip(_GROUPS, self._seen.tolist(), strict=True)),
            blocks=self._blocks,
            decision=self._decision,
            e_value=self.e_value,
            interval=(interval.low, interval.high),
        )

    def restore(self, record: Record) -> None:
        """Go on from a record, which has been checked."""
        for block in record.blocks:
            self._close(self._closed + np.array(block))
        self._seen = np.array([record.counts[name] for name in _GROUPS], np.int64)

    def _close(self, until: np.ndarray) -> None:
        """End a block at what had come by then."""
        block = until - self._closed
        self._logs += _block_logs(block, self._closed)
        self._closed = until
        base_bad, base_n, candidate_bad, candidate_n = block.tolist()
        self._blocks.append((base_bad, base_n, candidate_bad, candidate_n))
        if self._decision is None and self._log() >= threshold(self.alpha):
            self._decision = Decision(Verdict.FAIL, int(until[1] + until[3]), {"blocks": len(self._blocks)})

    def _log(self) -> float:
        top = float(self._logs.max())
        return top + math.log(float(np.exp(self._logs - top).mean()))

    def _log_with(self, more: int, base: float, candidate: float) -> float:
        """The evidence after more requests, in the shares and at the rates given."""
        share = (self._seen[3] + 0.5) / (self.n + 1.0)
        sizes = more * (1.0 - share), more * share
        block = np.array([base * sizes[0], sizes[0], candidate * sizes[1], sizes[1]])
        logs = self._logs + _block_logs(block, self._closed if self._closed[1] else block)
        top = float(logs.max())
        return top + math.log(float(np.exp(logs - top).mean()))

    def _intervals(self, alpha: float) -> tuple[Interval, Interval]:
        base_bad, base_n, candidate_bad, candidate_n = self._seen.tolist()
        return (
            Interval(*proportion_interval(base_bad, base_n, alpha)),
            Interval(*proportion_interval(candidate_bad, candidate_n, alpha)),
        )


def _block_logs(block: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Logarithm of a block's factor for every ratio of odds, [ratios]."""
    base_bad, base_n, candidate_bad, candidate_n = block
    rate = (before[0] + 0.5) / (before[1] + 1.0)
    odds = rate / (1.0 - rate) * _ODDS
    higher = odds / (1.0 + odds)
    together = (base_n * rate + candidate_n * higher) / (base_n + candidate_n)
    return np.asarray(
        base_bad * np.log(rate / together)
        + (base_n - base_bad) * np.log((1.0 - rate) / (1.0 - together))
        + candidate_bad * np.log(higher / together)
        + (candidate_n - candidate_bad) * np.log((1.0 - higher) / (1.0 - together))
    )


def _counted(*given: Counts) -> np.ndarray:
    columns = []
    for name, values in zip(_GROUPS, given, strict=True):
        column = np.atleast_1d(np.asarray(values))
        if column.ndim != 1 or (column.size and column.dtype.kind not in "iu") or (column < 0).any():
            raise MalformedInput(name, "expected whole numbers from 0, one or a flat array of them")
        columns.append(column.astype(np.int64))
    if len({len(column) for column in columns}) > 1:
        raise MalformedInput("update", "its four arrays have different lengths; give as many of each")
    table = np.stack(columns, axis=1)
    if (table[:, 0] > table[:, 1]).any() or (table[:, 2] > table[:, 3]).any():
        raise MalformedInput("update", "more are bad than came")
    return table
