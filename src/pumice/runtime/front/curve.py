"""How long a batch takes as a line over its rows, fitted while serving."""

from __future__ import annotations


class LatencyCurve:
    """``seconds = per_row * rows + fixed``, by least squares in which old batches fade.

    While all batches have about the same size they cannot tell the two apart: then the parts stay as they were last
    known, a quarter fixed at first, and only their sum follows.

    Args:
        fade: Weight that an observation keeps when the next one comes.
    """

    __slots__ = ("_fade", "_fixed_part", "_mean_rows", "_n", "_nn", "_nt", "_t", "_weight")

    def __init__(self, fade: float = 0.98) -> None:
        self._fade = fade
        self._fixed_part = 0.25  # of the mean batch's time
        self._mean_rows = 1.0  # of the batches that told it
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
            # fixed : per_row stays; seen from batches of another size, the fixed part weighs more or less
            fixed = self._fixed_part * self._mean_rows
            whole = fixed + (1.0 - self._fixed_part) * mean_n
            return mean_t * (1.0 - self._fixed_part) / whole, mean_t * fixed / whole
        slope = (self._nt / self._weight - mean_n * mean_t) / variance
        slope = min(max(slope, 0.0), mean_t / mean_n)
        fixed = mean_t - slope * mean_n
        self._fixed_part, self._mean_rows = (fixed / mean_t if mean_t else 0.0), mean_n
        return slope, fixed
