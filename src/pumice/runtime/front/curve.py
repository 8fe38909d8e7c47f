"""How long a batch takes as a line over its rows, known well enough while serving."""

from __future__ import annotations

_FADE = 0.95
"""Weight that the recent batches keep when the next one comes."""

_SMALL_FADE = 0.8
"""The same for batches of the smallest size."""

_OUTLIER = 10.0
"""A batch counts as so many times as long as expected at most."""

_SHORT = 0.001
"""Batches that are expected to take less count as taking so long (s) when outliers are told."""

_APART = 1.5
"""The mean must be so many times the smallest size to tell a slope."""


class LatencyCurve:
    """``seconds = per_row * rows + fixed``, through the smallest batches seen and the recent mean.

    Least squares over recent batches was tried first: they are nearly all of one size, and the noise of a shared
    machine then decides how steep the line is. Two points that lie apart hold.
    """

    __slots__ = ("_fixed_part", "_mean_rows", "_mean_seconds", "_small_rows", "_small_seconds")

    def __init__(self) -> None:
        self._mean_rows = self._mean_seconds = 0.0
        self._small_rows = 0
        self._small_seconds = 0.0
        self._fixed_part = 0.25  # of a smallest batch's time; only until a slope was seen

    def observe(self, rows: int, seconds: float) -> None:
        """Learn from one batch; one that hung counts as a slow one, or it would be felt in all that come after."""
        if self._small_rows:
            seconds = min(seconds, _OUTLIER * max(self.seconds(rows), _SHORT))
        if not self._small_rows:
            self._mean_rows, self._mean_seconds = rows, seconds
        else:
            self._mean_rows += (1 - _FADE) * (rows - self._mean_rows)
            self._mean_seconds += (1 - _FADE) * (seconds - self._mean_seconds)
        if not self._small_rows or rows < self._small_rows:
            self._small_rows, self._small_seconds = rows, seconds
        elif rows == self._small_rows:
            self._small_seconds += (1 - _SMALL_FADE) * (seconds - self._small_seconds)
        self._learn_slope()

    @property
    def line(self) -> tuple[float, float]:
        """(per_row, fixed), both >= 0 (s)."""
        if not self._small_rows:
            return 0.0, 0.0
        # the parts as they were last told apart, at the speed of now
        whole = self._fixed_part + (1 - self._fixed_part) * self._mean_rows / self._small_rows
        small = self._mean_seconds / whole
        return (1 - self._fixed_part) * small / self._small_rows, self._fixed_part * small

    def seconds(self, rows: int) -> float:
        """How long a batch of so many rows is expected to take (s)."""
        per_row, fixed = self.line
        return per_row * rows + fixed

    def _learn_slope(self) -> None:
        if self._mean_rows >= _APART * self._small_rows and self._small_seconds > 0:
            slope = (self._mean_seconds - self._small_seconds) / (self._mean_rows - self._small_rows)
            part = 1 - slope * self._small_rows / self._small_seconds
            self._fixed_part = min(max(part, 0.0), 1.0)
