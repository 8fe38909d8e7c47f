"""The form of sealed files: what is encrypted together, and what each piece is bound to.

A file is cut into segments of one length, each encrypted by itself with AES-256-GCM under a key of that file alone.
This is the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár: CRYPTO 2015): the nonce counts the segments and
says which is the last, so that none can be moved, repeated, left out or cut off. The associated data binds each to its
model, version, path and place.
"""

from __future__ import annotations

import struct
from typing import Literal

import msgspec

from pumice.domain.errors import Tampered

KEY_BYTES = 32
"""Length of every key: AES-256."""

TAG_BYTES = 16
"""What a segment grows by when it is sealed: the tag of GCM."""

PAGE = 4096
SEGMENT = 255 * PAGE
"""Bytes of a file that are encrypted together: whole pages, and less than a block of reading with the tag."""

SEALED_SEGMENT = SEGMENT + TAG_BYTES
"""Length of a segment when it is sealed."""

MANIFEST_PATH = ""
"""Stands for the sealed manifest where a path is asked for; no file has an empty path."""

FORM: Literal["pumice-seal-1"] = "pumice-seal-1"
_NUMBERS = struct.Struct(">QB")


class Bound(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the bytes of a sealed version belong to, and nothing else.

    Attributes:
        model: Name of the model.
        version: Number of the version.
    """

    model: str
    version: int

    @property
    def context(self) -> bytes:
        """What a wrapped data key is bound to."""
        return _joined(FORM, self.model, str(self.version))

    def of_file(self, path: str) -> bytes:
        """The part of the associated data that all segments of a file share."""
        return _joined(FORM, self.model, str(self.version), path)


def associated_data(file: bytes, position: int, *, last: bool) -> bytes:
    """What a segment is bound to.

    Args:
        file: Of `Bound.of_file`.
        position: Which segment of the file, from 0.
        last: Whether the file ends with it.
    """
    return file + _NUMBERS.pack(position, last)


def nonce(position: int, *, last: bool) -> bytes:
    """The nonce of a segment (12 bytes); it comes once under a file's key, which is used for one pass over one file."""
    return b"\0\0\0" + _NUMBERS.pack(position, last)


def key_info(path: str) -> bytes:
    """What a file's key is derived for (the ``info`` of HKDF)."""
    return _joined(FORM, "key of a file", path)


def sealed_size(size: int) -> int:
    """Length of a file when it is sealed; an empty file has one segment without content."""
    return size + TAG_BYTES * max(1, -(-size // SEGMENT))


def plain_size(size: int) -> int:
    """Length of a file whose sealed length is known.

    Raises:
        Tampered: No sealed file is so long.
    """
    segments = max(1, -(-size // SEALED_SEGMENT))
    plain = size - TAG_BYTES * segments
    if plain < 0 or sealed_size(plain) != size:
        raise Tampered("a sealed file", f"its length of {size} bytes is not possible")
    return plain


def position_of(at: int) -> int:
    """Which segment begins at a byte of a sealed file.

    Raises:
        Tampered: None does.
    """
    position, rest = divmod(at, SEALED_SEGMENT)
    if rest:
        raise Tampered("a sealed file", f"no segment begins at its byte {at}")
    return position


def _joined(*texts: str) -> bytes:
    """Texts one after the other, each behind its length, so that no two lists of texts are written the same."""
    return b"".join(struct.pack(">H", len(data)) + data for data in (text.encode() for text in texts))
