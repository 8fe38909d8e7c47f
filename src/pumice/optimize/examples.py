"""Examples on which models are held against each other, in the form in which callers send them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Examples:
    """Examples in order, with what is known of them.

    Attributes:
        inputs: What a caller would send, by name: the model's task inputs (``text`` as BYTES, images as BYTES or
            tensors), each [n, ...].
        labels: The true answer of each, [n, ...]: names of classes as bytes, or numbers; None if there are none.
        slices: The part of the data that each belongs to, [n] of str; None if the data names no parts.
        digest: SHA-256 in hex over all of it, by which results are found again.
    """

    inputs: Mapping[str, np.ndarray]
    labels: np.ndarray | None
    slices: np.ndarray | None
    digest: str

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    def take(self, rows: np.ndarray) -> Examples:
        """Some of them, in the order of their numbers in ``rows``; the digest stays that of the whole."""
        return Examples(
            {name: array[rows] for name, array in self.inputs.items()},
            None if self.labels is None else self.labels[rows],
            None if self.slices is None else self.slices[rows],
            self.digest,
        )
