"""How far the answers of two models are apart, as one number."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from pumice.domain.signature import Arrays


def output_error(base: Iterable[Arrays], candidate: Iterable[Arrays]) -> float:
    """Root mean square of the difference over that of the base's answers, the worst output's.

    Args:
        base: Answers of the base, a batch each.
        candidate: Answers of the candidate to the same batches.

    Returns:
        0 for the same answers; infinite where the candidate's are not finite. An output of other kind than floating
        point counts by the part of its values that differ.
    """
    difference: dict[str, float] = {}
    size: dict[str, float] = {}
    for before, after in zip(base, candidate, strict=True):
        for name, one in before.items():
            other = after[name]
            if one.dtype.kind == "f":
                wide = one.astype(np.float64)
                apart, own = float(np.square(other - wide).sum()), float(np.square(wide).sum())
            else:
                apart, own = float((one != other).sum()), float(one.size)
            difference[name] = difference.get(name, 0.0) + apart
            size[name] = size.get(name, 0.0) + own
    ratios = [difference[name] / max(size[name], np.finfo(np.float64).tiny) for name in size]
    worst = max(ratios, default=0.0)
    return float(np.sqrt(worst)) if np.isfinite(ratios).all() else float("inf")
