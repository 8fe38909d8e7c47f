"""NumPy's own files: `.npy` tells its element type in a header, and Python objects in it are a pickle."""

from __future__ import annotations

import ast
from typing import IO

MAGIC = b"\x93NUMPY"
"""First bytes of an `.npy` file."""

OBJECT_ARRAY = "a NumPy array of Python objects, whose elements are a pickle"
"""What is found."""

_MOST_HEADER_BYTES = 64 * 1024


def holds_objects(stream: IO[bytes]) -> bool:
    """Whether an `.npy` stream has Python objects as elements, or a header that cannot be read."""
    head = stream.read(8)
    width = 2 if head[6:7] == b"\x01" else 4
    length = int.from_bytes(stream.read(width), "little")
    if length > _MOST_HEADER_BYTES:
        return True
    try:
        header = ast.literal_eval(stream.read(length).decode("latin-1").strip())
        return _has_object(header["descr"])
    except (ValueError, SyntaxError, KeyError, TypeError, MemoryError, RecursionError):
        return True


def _has_object(descr: object) -> bool:
    """Whether a NumPy type, as text or as a list of fields, contains ``O``."""
    if isinstance(descr, str):
        return "O" in descr
    if isinstance(descr, list):
        return any(_has_object(field[1]) for field in descr)
    return isinstance(descr, tuple) and bool(descr) and _has_object(descr[0])
