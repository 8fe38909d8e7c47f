"""Arrays for the tests."""

from __future__ import annotations

import numpy as np

from pumice.domain.datatypes import BYTES, NUMPY_TYPES


def texts(*items: str | bytes) -> np.ndarray:
    """A BYTES tensor [n]."""
    array = np.empty(len(items), dtype=object)
    array[:] = [item.encode() if isinstance(item, str) else item for item in items]
    return array


def sample(datatype: str, rows: int, width: int) -> np.ndarray:
    """A tensor [rows, width] whose rows differ."""
    if datatype == BYTES:
        return texts(*(f"文 {index}" for index in range(rows * width))).reshape(rows, width)
    numbers = np.arange(rows * width).reshape(rows, width)
    return numbers % 3 == 0 if datatype == "BOOL" else numbers.astype(NUMPY_TYPES[datatype])
