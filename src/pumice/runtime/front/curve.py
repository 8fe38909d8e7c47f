"""How long a batch takes as a line over its rows, fitted while serving."""

from __future__ import annotations


class LatencyCurve:
    """``seconds = per_row * rows + fixed``, by least squares in which old batches fade.

    Until batches of different sizes were seen, half of the time counts as fixed.

    Args:
        fade: Weight that an observation keeps when the next one comes.
    """

    __slots__ = ("_fade", "_n", "_nn", "_nt", "_t", "_weight")

    def __init__(self, fade: float = 0.98) -> None:
        self._fade = fade
        self._weight = self._n = self._nn = self._t = self._nt = 0.0

    def observe(self, rows: int, seconds: float) -> None:
        """Learn from one batch."""
        fade = self._fade
        self._weight = fade * self._weight + 1.0
        self._n = fade * self._n + rows
        self._nn = fade * self._nn + rows * rows
        self._t = fade * self._t + seconds
        self._nt = fade * self._nt + rows * seconds

    @property
    def line(self) -> tuple[float, float]:
        """(per_row, fixed), both >= 0 (s)."""
        if not self._weight:
            return 0.0, 0.0
        mean_n, mean_t = self._n / self._weight, self._t / self._weight
        variance = self._nn / self._weight - mean_n * mean_n
        if variance < 0.05 * mean_n * mean_n:
            return mean_t / (2 * mean_n), mean_t / 2
        slope = (self._nt / self._weight - mean_n * mean_t) / variance
        slope = min(max(slope, 0.0), mean_t / mean_n)
        return slope, mean_t - slope * mean_n
