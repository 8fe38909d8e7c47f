"""Which examples calibrate, which search, and which are kept for the proof."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pumice.optimize.examples import Examples

_PART = 10
_MOST = 512


class Splits(NamedTuple):
    """Disjoint examples.

    Attributes:
        calibration: Those that calibrate.
        search: Those on which is searched.
        certification: Those that no pass has seen.
    """

    calibration: Examples
    search: Examples
    certification: Examples


def split(examples: Examples, seed: int) -> Splits:
    """Shuffle examples and part them."""
    order = np.random.default_rng(seed).permutation(len(examples))
    few = min(_MOST, len(examples) // _PART)
    return Splits(*(examples.take(rows) for rows in np.split(order, [few, 2 * few])))
