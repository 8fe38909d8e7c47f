"""Whether a series of measurements rises: Theil and Sen's slope, and rules that noise does not break."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from statistics import NormalDist, median

CONFIDENCE = 0.99
ALLOWED_GROWTH = 0.05
ALLOWED_BYTES = 8 * 1024 * 1024


def slopes(values: Sequence[float]) -> list[float]:
    """The slope between each two values, a step apart each, in order."""
    return sorted((values[j] - values[i]) / (j - i) for i, j in combinations(range(len(values)), 2))


def lowest_slope(values: Sequence[float], confidence: float = CONFIDENCE) -> float:
    """Lower end of the one-sided confidence interval of Theil and Sen's slope, by Kendall's S (Sen, 1968)."""
    count, found = len(values), slopes(values)
    deviation = (count * (count - 1) * (2 * count + 5) / 18) ** 0.5
    rank = int((len(found) - NormalDist().inv_cdf(confidence) * deviation) / 2)
    return found[rank] if rank >= 0 else float("-inf")


def rises(values: Sequence[float]) -> str:
    """Say how far memory grows, or nothing if it stays.

    It grows if three things hold: the lower end of the slope's interval is above zero; the growth over the whole
    series, by the slope's median, is above `ALLOWED_GROWTH` of the size and above `ALLOWED_BYTES`; and it still went on
    in the last third (its median is above the second third's by three sevenths of what the slope says).

    Args:
        values: Sizes (bytes), after warm-up, at the same distances; fewer than 6 say nothing.
    """
    if len(values) < 6:
        return ""
    third = len(values) // 3
    slope = median(slopes(values))
    growth = slope * (len(values) - 1)
    allowed = max(ALLOWED_GROWTH * median(values), ALLOWED_BYTES)
    late = median(values[-third:]) - median(values[-2 * third : -third])
    if lowest_slope(values) <= 0 or growth <= allowed or late <= growth / 7:
        return ""
    return f"grew by {growth / 2**20:.1f} MiB in {len(values)} samples; {allowed / 2**20:.1f} MiB are allowed"
