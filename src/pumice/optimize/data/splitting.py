"""Disjoint parts of the data: what calibrates and what searches never certifies."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from pumice.domain.errors import BadSetting
from pumice.optimize.data.digests import row_digests
from pumice.optimize.examples import Examples

FEWEST = 8
"""Fewest different examples that are split; so few prove nothing, but show how it goes."""


@dataclass(frozen=True)
class Sizes:
    """How many examples are taken for what comes before the proof.

    Attributes:
        calibration: Most of them that calibrate.
        search: Most of them that search for sensitive nodes.
        share: Most of all examples that each of the two takes (a part of 1).
    """

    calibration: int = 256
    search: int = 512
    share: float = 0.125


CERTIFY_ONLY = Sizes(0, 0)
"""All examples certify: for a candidate that was made elsewhere."""


@dataclass(frozen=True, eq=False)
class Splits:
    """Parts that have no input in common.

    Attributes:
        calibration: Shown to passes that need activations.
        search: Shown to what compares recipes before the proof, and reference examples of embeddings.
        certification: Kept for the proof, in the order in which it is judged.
        seed: Of the shuffle.
        duplicates: Examples that were left out since their inputs came before.
        contradictions: Those of them whose label is another one than that of the first.
    """

    calibration: Examples
    search: Examples
    certification: Examples
    seed: int
    duplicates: int
    contradictions: int


def split(examples: Examples, seed: int, sizes: Sizes | None = None) -> Splits:
    """Shuffle examples and part them.

    An input that comes twice counts once, the first time: else it could calibrate and certify, and would be counted as
    two observations where it is one. The order is that of SHA-256 over the seed and the input's content. So it
    depends neither on the order in the file nor on a version of numpy, and nothing else of an example sways it,
    which is what the tests ask for. Nothing is stratified.

    Args:
        examples: All of them.
        seed: Recorded in the report; another seed gives another order.
        sizes: How many are taken before the proof.

    Raises:
        BadSetting: There are fewer than `FEWEST` different ones.
    """
    sizes = sizes or Sizes()
    digests = row_digests(examples.inputs)
    first: dict[bytes, int] = {}
    contradictions = 0
    for row, digest in enumerate(digests):
        known = first.setdefault(digest, row)
        contradictions += known != row and not _same_label(examples.labels, known, row)
    count = len(first)
    if count < FEWEST:
        raise BadSetting("DATA", f"{count} different examples", f"at least {FEWEST}")
    key = seed.to_bytes(16, "little", signed=True)
    ordered = sorted(first, key=lambda digest: hashlib.sha256(key + digest).digest())
    rows = np.array([first[digest] for digest in ordered])
    calibration = min(sizes.calibration, int(count * sizes.share))
    search = calibration + min(sizes.search, int(count * sizes.share))
    return Splits(
        calibration=examples.take(rows[:calibration]),
        search=examples.take(rows[calibration:search]),
        certification=examples.take(rows[search:]),
        seed=seed,
        duplicates=len(digests) - count,
        contradictions=contradictions,
    )


def _same_label(labels: np.ndarray | None, one: int, other: int) -> bool:
    return labels is None or bool(np.array_equal(labels[one], labels[other]))
