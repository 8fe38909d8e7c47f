"""The fields of a protobuf message, read where they lie (https://protobuf.dev/programming-guides/encoding).

Nothing is copied and no library is needed: what a reader does not ask for is skipped by its length.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Wire types."""

Data = bytes | mmap.mmap
"""What messages lie in."""


class BrokenMessage(ValueError):
    """Bytes that are no message; the text says why."""


def fields(data: Data, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Number, wire type, start and end of the value of each field of a message.

    Raises:
        BrokenMessage: A field goes beyond the end, or has a wire type that there is not.
    """
    place = start
    while place < end:
        key, place = varint(data, place, end)
        number, wire = key >> 3, key & 7
        if wire == VARINT:
            low = place
            _, place = varint(data, place, end)
        elif wire in (FIXED64, FIXED32):
            low, place = place, place + (8 if wire == FIXED64 else 4)
        elif wire == BYTES:
            length, low = varint(data, place, end)
            place = low + length
        else:
            message = f"wire type {wire}"
            raise BrokenMessage(message)
        if place > end or not number:
            message = f"field {number} goes beyond its end" if number else "field 0"
            raise BrokenMessage(message)
        yield number, wire, low, place


def submessages(data: Data, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Number, start and end of each field of bytes: messages and texts."""
    return ((number, low, high) for number, wire, low, high in fields(data, start, end) if wire == BYTES)


def varint(data: Data, start: int, end: int) -> tuple[int, int]:
    """A number, and where it ends.

    Raises:
        BrokenMessage: It has no end.
    """
    value = shift = 0
    for place in range(start, min(start + 10, end)):
        byte = data[place]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place + 1
        shift += 7
    message = "a number without end"
    raise BrokenMessage(message)


def text(data: Data, start: int, end: int) -> str:
    """Bytes as text; what is no UTF-8 is replaced."""
    return data[start:end].decode(errors="replace")
