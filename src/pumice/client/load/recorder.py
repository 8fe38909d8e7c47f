"""Counts answers, failures and latencies in bounded memory."""

import math
from collections import Counter

import numpy as np
import numpy.typing as npt

from pumice.client.load.result import Bucket, Latency, Outcome

_FLOOR = 1e-6
"""Smallest latency that is told apart, in seconds."""
_DECADES = 9
_FINE = 1200
"""Bins a decade for the percentiles: each 0.19 % wide."""
_COARSE = 10
"""Bins a decade in the histogram that is given out."""
_FOLD = 8192
"""Latencies kept before they are put into bins: some 0.1 ms of work, so that it disturbs no latency."""
_EXAMPLES = 5


class Recorder:
    """Takes every finished request; counts answers only while `measuring`, failures while `counting_failures`."""

    def __init__(self) -> None:
        self.measuring = False
        self.counting_failures = False
        self.failures: Counter[str] = Counter()
        self.examples: list[str] = []
        self.outcomes: list[Outcome] = []
        self._opened = math.inf
        self._pending: list[float] = []
        self._bins = np.zeros(_DECADES * _FINE, dtype=np.int64)
        self._total = 0.0
        self._max = 0.0

    def open(self, now: float) -> None:
        """The window opens: count from now on."""
        self.measuring = self.counting_failures = True
        self._opened = now

    def answer(self, latency: float) -> None:
        """Take a right answer that needed `latency` seconds."""
        if self.measuring:
            self._pending.append(latency)
            if len(self._pending) >= _FOLD:
                self._fold()

    def failure(self, kind: str, example: str = "") -> None:
        """Take a failed request."""
        if self.counting_failures:
            self.failures[kind] += 1
            if len(self.examples) < _EXAMPLES:
                self.examples.append(f"{kind}: {example}" if example else kind)

    def keep(self, started: float, ended: float, problem: str, retry_after: str) -> None:
        """Keep what became of one request, if it was sent in the window; see `Outcome`."""
        if started >= self._opened:
            self.outcomes.append(Outcome(started - self._opened, ended - started, problem, retry_after))

    @property
    def answers(self) -> int:
        """Right answers so far."""
        return int(self._bins.sum()) + len(self._pending)

    def latency(self) -> Latency:
        """Sum the latencies up."""
        self._fold()
        count = int(self._bins.sum())
        if not count:
            return Latency(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
        upto = np.cumsum(self._bins)
        ranks = np.ceil(np.array([0.5, 0.9, 0.99, 0.999]) * count - 1e-6)
        middle = (np.searchsorted(upto, ranks) + 0.5) / _FINE
        values = np.minimum(_FLOOR * 10**middle, self._max) * 1000
        p50, p90, p99, p99_9 = (float(value) for value in values)
        return Latency(1000 * self._total / count, p50, p90, p99, p99_9, 1000 * self._max)

    def histogram(self) -> tuple[Bucket, ...]:
        """Give the distribution in ten buckets a decade, without the empty ones at its ends."""
        self._fold()
        counts = self._bins.reshape(_DECADES * _COARSE, -1).sum(axis=1)
        filled = np.flatnonzero(counts)
        if not filled.size:
            return ()
        places = range(int(filled[0]), int(filled[-1]) + 1)
        return tuple(Bucket(1000 * _FLOOR * 10 ** ((place + 1) / _COARSE), int(counts[place])) for place in places)

    def _fold(self) -> None:
        if not self._pending:
            return
        seconds: npt.NDArray[np.float64] = np.maximum(np.array(self._pending), _FLOOR)
        self._pending.clear()
        places = np.minimum((np.log10(seconds / _FLOOR) * _FINE).astype(np.int64), len(self._bins) - 1)
        self._bins += np.bincount(places, minlength=len(self._bins))
        self._total += float(seconds.sum())
        self._max = max(self._max, float(seconds.max()))
