"""The datatypes of the Open Inference Protocol and their numpy types."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

BYTES = "BYTES"
"""Datatype of byte strings; held as object arrays of ``bytes``."""

BOOL = "BOOL"
"""Datatype of truth values; a byte each, 0 or 1."""

NUMPY_TYPES: Mapping[str, np.dtype[np.generic]] = MappingProxyType(
    {
        BOOL: np.dtype(np.bool_),
        "UINT8": np.dtype(np.uint8),
        "UINT16": np.dtype(np.uint16),
        "UINT32": np.dtype(np.uint32),
        "UINT64": np.dtype(np.uint64),
        "INT8": np.dtype(np.int8),
        "INT16": np.dtype(np.int16),
        "INT32": np.dtype(np.int32),
        "INT64": np.dtype(np.int64),
        "FP16": np.dtype(np.float16),
        "FP32": np.dtype(np.float32),
        "FP64": np.dtype(np.float64),
        BYTES: np.dtype(object),
    }
)
"""Datatype name -> numpy dtype (little-endian on the wire)."""

DATATYPE_NAMES: Mapping[np.dtype[np.generic], str] = MappingProxyType({v: k for k, v in NUMPY_TYPES.items()})
"""numpy dtype -> datatype name; the inverse of `NUMPY_TYPES`."""

FLOATS = frozenset({"FP16", "FP32", "FP64"})
"""Datatypes that can hold NaN and infinity."""


def datatype_of(array: np.ndarray) -> str:
    """Return the datatype name of an array; string arrays count as ``BYTES``.

    Raises:
        KeyError: numpy's type has no name in the protocol.
    """
    if array.dtype.kind in "SU":
        return BYTES
    return DATATYPE_NAMES[array.dtype]
