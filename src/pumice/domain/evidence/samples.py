"""Numbers that come in pieces and are read as one array."""

from __future__ import annotations

import numpy as np


class Samples:
    """Grows by pieces; joined when read, so that many small pieces cost no more than a few large ones."""

    def __init__(self) -> None:
        self._pieces: list[np.ndarray] = [np.empty(0)]
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, piece: np.ndarray) -> None:
        """Add numbers, [n]."""
        self._pieces.append(piece)
        self._count += len(piece)

    @property
    def array(self) -> np.ndarray:
        """All of them, in order."""
        if len(self._pieces) > 1:
            self._pieces = [np.concatenate(self._pieces)]
        return self._pieces[0]
