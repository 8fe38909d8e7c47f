"""Chunk lists: which chunks make a file, stored as chunks themselves.

A list is a row of entries of 36 bytes: the SHA-256 of a chunk, and its length as a little-endian 32-bit number. A file
has as many lists as it needs, each of `MOST_ENTRIES` at most, so that no list is large whatever the file's size.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable

from pumice.domain.errors import Tampered

MOST_ENTRIES = 16_384
"""Chunks in one list."""

Entry = tuple[bytes, int]
"""Digest and length (bytes) of a chunk."""

_ENTRY = struct.Struct("<32sI")


def write_list(entries: Iterable[Entry]) -> bytes:
    """Write a list of `MOST_ENTRIES` at most."""
    return b"".join(_ENTRY.pack(digest, size) for digest, size in entries)


def read_list(data: bytes) -> list[Entry]:
    """Read a list.

    Raises:
        Tampered: It is none.
    """
    if not data or len(data) % _ENTRY.size or len(data) > MOST_ENTRIES * _ENTRY.size:
        raise Tampered("a chunk list", f"its length of {len(data)} bytes is not possible")
    return list(_ENTRY.iter_unpack(data))


class ListBuilder:
    """Writes the lists of a file while its chunks come.

    Args:
        keep: Stores a list and tells its digest in hex.
    """

    def __init__(self, keep: Callable[[bytes], str]) -> None:
        self._keep = keep
        self._entries: list[Entry] = []
        self._lists: list[str] = []

    def extend(self, entries: Iterable[Entry]) -> None:
        """Note the next chunks."""
        self._entries.extend(entries)
        while len(self._entries) >= MOST_ENTRIES:
            self._lists.append(self._keep(write_list(self._entries[:MOST_ENTRIES])))
            del self._entries[:MOST_ENTRIES]

    def close(self) -> list[str]:
        """Write what is left, and tell the digests of all lists in hex."""
        if self._entries:
            self._lists.append(self._keep(write_list(self._entries)))
            self._entries = []
        return self._lists
