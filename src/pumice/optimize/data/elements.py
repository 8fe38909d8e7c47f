"""Values of a file as the tensor of an input: the right type and shape, and nothing lost on the way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pumice.domain.datatypes import BYTES
from pumice.domain.errors import MalformedInput
from pumice.domain.signature import Tensor

_FROM: dict[str, str] = {"b": "b", "i": "iuf", "u": "iuf", "f": "iuf"}
"""Kinds of numpy types from which each kind is taken; what is not whole is no whole number."""


def has_rows(tensor: Tensor) -> bool:
    """Whether the first axis counts examples: it is free, or the model takes one at a time."""
    return bool(tensor.shape) and tensor.shape[0] in (-1, 1)


def row_shape(tensor: Tensor) -> list[int]:
    """Shape of one example: without the axis of the batch."""
    return tensor.shape[1:]


def fits_row(tensor: Tensor, shape: Sequence[int]) -> bool:
    """Whether one example may have this shape."""
    own = row_shape(tensor)
    return len(own) == len(shape) and all(want in (-1, size) for want, size in zip(own, shape, strict=True))


def element(tensor: Tensor, item: Any) -> np.ndarray:
    """One example of an input.

    Args:
        tensor: The input.
        item: Numbers, text or bytes, or nested lists of them.

    Returns:
        An array of the input's type and of a shape that fits.

    Raises:
        MalformedInput: It does not fit.
    """
    what = f"'{tensor.name}'"
    if tensor.datatype == BYTES:
        array = _texts(what, item)
    else:
        try:
            raw = np.asarray(item)
        except ValueError:
            raise MalformedInput(what, f"lists of different lengths; expected {tensor}") from None
        array = cast(tensor, raw)
    if not fits_row(tensor, array.shape):
        raise MalformedInput(what, f"shape {list(array.shape)}; expected {row_shape(tensor)}")
    return array


def cast(tensor: Tensor, raw: np.ndarray) -> np.ndarray:
    """Numbers as the type of an input.

    Raises:
        MalformedInput: They are of another kind, or their values would change (floats are rounded).
    """
    what, kind = f"'{tensor.name}'", tensor.dtype.kind
    if raw.dtype == tensor.dtype:
        return raw
    if raw.size and raw.dtype.kind not in _FROM[kind]:
        raise MalformedInput(what, f"{_kind_of(raw)}; expected {tensor.datatype}")
    with np.errstate(over="ignore", invalid="ignore"):
        array = raw.astype(tensor.dtype)
    lost = np.isinf(array) & np.isfinite(raw) if kind == "f" else array != raw
    if lost.any():
        raise MalformedInput(what, f"{raw[lost].flat[0]} does not fit into {tensor.datatype}")
    return array


def stack(arrays: Sequence[np.ndarray], datatype: np.dtype[np.generic]) -> np.ndarray:
    """Examples of one shape as one array [n, ...]."""
    shape = arrays[0].shape if arrays else ()
    joined = np.empty((len(arrays), *shape), dtype=datatype)
    for row, array in enumerate(arrays):
        joined[row] = array[()] if array.ndim == 0 else array
    return joined


def _texts(what: str, item: Any) -> np.ndarray:
    if isinstance(item, list | tuple):
        parts = [_texts(what, part) for part in item]
        if len({part.shape for part in parts}) > 1:
            raise MalformedInput(what, "lists of different lengths")
        return stack(parts, np.dtype(object))
    if isinstance(item, str):
        try:
            item = item.encode()
        except UnicodeEncodeError:
            raise MalformedInput(what, "text with half of a surrogate pair; expected valid Unicode") from None
    if not isinstance(item, bytes):
        raise MalformedInput(what, f"{type(item).__name__}; expected text")
    array = np.empty((), dtype=object)
    array[()] = item
    return array


def _kind_of(raw: np.ndarray) -> str:
    return {"U": "text", "S": "text", "O": "no numbers", "b": "truth values"}.get(raw.dtype.kind, f"{raw.dtype}")
