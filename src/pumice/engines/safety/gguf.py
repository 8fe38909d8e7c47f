"""The metadata of a GGUF file (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md), read where it lies."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path

MAGIC = b"GGUF"
"""First bytes of a file."""

_VERSIONS = (2, 3)
_STRING, _ARRAY = 8, 9
_WIDTHS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_MOST_ENTRIES = 100_000
_DEEPEST = 4
_TEMPLATE = b"tokenizer.chat_template"


def chat_templates(path: Path) -> list[str]:
    """The chat templates in a file; llama.cpp knows one without a name and others with.

    Raises:
        ValueError: It is no such file, or its metadata goes beyond its end.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            return list(_Reader(data).templates())
        except struct.error:
            message = "it ends in the middle"
            raise ValueError(message) from None


class _Reader:
    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._at = 4

    def templates(self) -> Iterator[str]:
        """Walk all entries, and give the templates among them."""
        (version,) = self._take("<I")
        _, count = self._take("<QQ")
        if version not in _VERSIONS or count > _MOST_ENTRIES:
            message = f"version {version} with {count} entries"
            raise ValueError(message)
        for _ in range(count):
            key = self._text()
            (kind,) = self._take("<I")
            if kind == _STRING and key.startswith(_TEMPLATE):
                yield self._text().decode(errors="replace")
            else:
                self._skip(kind, 0)

    def _skip(self, kind: int, depth: int) -> None:
        if kind in _WIDTHS:
            self._move(_WIDTHS[kind])
        elif kind == _STRING:
            self._move(self._take("<Q")[0])
        elif kind == _ARRAY and depth < _DEEPEST:
            inner, count = self._take("<IQ")
            if inner in _WIDTHS:
                self._move(_WIDTHS[inner] * count)
            else:
                for _ in range(count):  # each moves on, so the end of the file ends it
                    self._skip(inner, depth + 1)
        else:
            message = f"a value of type {kind}"
            raise ValueError(message)

    def _text(self) -> bytes:
        (length,) = self._take("<Q")
        start = self._at
        self._move(length)
        return self._data[start : self._at]

    def _take(self, form: str) -> tuple[int, ...]:
        found = struct.unpack_from(form, self._data, self._at)
        self._at += struct.calcsize(form)
        return found

    def _move(self, count: int) -> None:
        self._at += count
        if self._at > len(self._data):
            message = "it ends in the middle"
            raise ValueError(message)
