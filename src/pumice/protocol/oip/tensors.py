"""Tensor bytes of the Open Inference Protocol: little-endian, row-major; BYTES elements behind their length."""

from __future__ import annotations

import struct
from math import prod

import numpy as np

from pumice.domain.datatypes import BOOL, BYTES, NUMPY_TYPES
from pumice.domain.errors import MalformedInput
from pumice.domain.signature import MAX_RANK

_VIEW_FROM = 64 * 1024
"""Arrays of this size on go out as they are; a copy of smaller ones costs less than to keep track of them (bytes)."""

_LENGTH = struct.Struct("<I")
_MAX_ELEMENTS = 1 << 48
_TYPES = dict(NUMPY_TYPES)  # a plain dictionary answers twice as fast as a read-only view


def check_shape(name: str, shape: tuple[int, ...]) -> int:
    """Return the number of elements.

    Raises:
        MalformedInput: A size is negative, there are too many axes, or an empty tensor has impossibly long ones.
    """
    if len(shape) > MAX_RANK or (shape and min(shape) < 0):
        raise MalformedInput(f"shape of '{name}'", f"{list(shape)[:8]}; expected up to {MAX_RANK} sizes >= 0")
    count = prod(shape)
    # numpy makes no array whose axes, the empty ones aside, go beyond its index type
    if not count and prod(size or 1 for size in shape) > _MAX_ELEMENTS:
        raise MalformedInput(f"shape of '{name}'", f"{list(shape)[:8]}; its axes are too long")
    return count


def numpy_type(name: str, datatype: str) -> np.dtype[np.generic]:
    """Return the numpy type of a datatype.

    Raises:
        MalformedInput: There is no such datatype.
    """
    dtype = _TYPES.get(datatype)
    if dtype is None:
        raise MalformedInput(f"datatype of '{name}'", f"'{datatype[:32]}' is none of {', '.join(NUMPY_TYPES)}")
    return dtype


def from_bytes(name: str, datatype: str, shape: tuple[int, ...], data: bytes | memoryview) -> np.ndarray:
    """Build an array from its wire bytes; numbers are a view, not a copy.

    Raises:
        MalformedInput: The bytes do not make up exactly that shape.
    """
    dtype = numpy_type(name, datatype)
    count = check_shape(name, shape)
    if datatype == BYTES:
        return split_bytes(name, data, count).reshape(shape)
    if len(data) != count * dtype.itemsize:
        need = count * dtype.itemsize
        raise MalformedInput(f"data of '{name}'", f"{len(data)} bytes; {datatype} {list(shape)} takes {need}")
    array = np.frombuffer(data, dtype=dtype).reshape(shape)
    # numpy keeps whatever stands there, and libraries below it read a 2 as neither true nor false
    if datatype == BOOL and count and array.view(np.uint8).max() > 1:
        raise MalformedInput(f"data of '{name}'", "BOOL bytes other than 0 and 1")
    return array


def split_bytes(name: str, data: bytes | memoryview, count: int) -> np.ndarray:
    """Cut length-prefixed elements apart.

    Returns:
        An object array [count] of bytes.

    Raises:
        MalformedInput: A length points past the end, or the number of elements is another.
    """
    if count * _LENGTH.size > len(data):
        raise MalformedInput(f"data of '{name}'", f"{len(data)} bytes cannot hold {count} elements")
    items = np.empty(count, dtype=object)
    offset, end, view = 0, len(data), memoryview(data)
    for index in range(count):
        start = offset + _LENGTH.size
        if start > end:
            raise MalformedInput(f"data of '{name}'", f"ends before element {index} of {count}")
        offset = start + _LENGTH.unpack_from(view, offset)[0]
        if offset > end:
            raise MalformedInput(f"data of '{name}'", f"element {index} reaches past the end")
        items[index] = bytes(view[start:offset])
    if offset != end:
        raise MalformedInput(f"data of '{name}'", f"{end - offset} bytes too many after {count} elements")
    return items


def to_bytes(array: np.ndarray) -> bytes:
    """Give the wire bytes of an array; str elements are encoded as UTF-8."""
    if array.dtype.kind in "OSU":
        return join_bytes(array)
    return array.tobytes()


def seen_as_bytes(array: np.ndarray) -> bytes | memoryview:
    """Give the wire bytes of an array that nobody changes any more; large numbers are a view, not a copy.

    A part of a larger array is copied all the same: its view would keep the whole in memory.
    """
    if array.nbytes < _VIEW_FROM or array.base is not None or not array.flags.c_contiguous:
        return to_bytes(array)
    return to_bytes(array) if array.dtype.kind in "OSU" else array.reshape(-1).view(np.uint8).data


def join_bytes(array: np.ndarray) -> bytes:
    """Put byte strings behind their lengths, one after the other."""
    parts: list[bytes] = []
    for item in array.ravel().tolist():
        data = item if isinstance(item, bytes) else str(item).encode()
        parts += (_LENGTH.pack(len(data)), data)
    return b"".join(parts)
