"""Names of examples by their content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from pumice.domain.signature import Arrays


def row_digests(arrays: Arrays) -> list[bytes]:
    """A digest of each example (SHA-256), equal where the inputs are.

    Args:
        arrays: Tensors by name, [n, ...] each.
    """
    count = len(next(iter(arrays.values())))
    hashes = [hashlib.sha256() for _ in range(count)]
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name]) if arrays[name].dtype.kind != "O" else arrays[name]
        head = _head(name, array)
        for row, own in enumerate(hashes):
            own.update(head)
            for part in _parts(array[row]):
                own.update(part)
    return [own.digest() for own in hashes]


def whole_digest(inputs: Arrays, labels: np.ndarray | None, slices: np.ndarray | None) -> str:
    """SHA-256 in hex over all of it, in its order."""
    whole = hashlib.sha256()
    beside: Mapping[str, np.ndarray | None] = {"label": labels, "slice": slices}
    for digest in row_digests(inputs):
        whole.update(digest)
    for name, array in beside.items():
        if array is not None:
            whole.update(_head(name, array))
            for part in _parts(array):
                whole.update(part)
    return whole.hexdigest()


def _head(name: str, array: np.ndarray) -> bytes:
    return repr((name, array.dtype.str, array.shape[1:])).encode()


def _parts(values: Any) -> Iterable[bytes]:
    """The bytes of some elements; of texts with the length of each, so that none runs into the next."""
    if isinstance(values, np.ndarray | np.generic) and values.dtype.kind != "O":
        yield values.tobytes()
        return
    items = values.ravel().tolist() if isinstance(values, np.ndarray) else [values]
    for item in items:
        data: bytes = item.encode(errors="surrogateescape") if isinstance(item, str) else item
        yield len(data).to_bytes(8, "little")
        yield data
