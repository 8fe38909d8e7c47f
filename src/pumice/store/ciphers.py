"""Encryption of stored files, a segment at a time and in memory alone; for the form see `pumice.domain.store.sealing`.

Threads may share a cipher: AES-GCM runs without the interpreter's lock.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pumice.domain.errors import Tampered
from pumice.domain.store.sealing import (
    KEY_BYTES,
    SEALED_SEGMENT,
    SEGMENT,
    TAG_BYTES,
    Bound,
    associated_data,
    key_info,
    nonce,
    position_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

NONCE_BYTES = 12


def new_key() -> bytes:
    """A key that nobody has."""
    return os.urandom(KEY_BYTES)


def derive(key: bytes, info: bytes, length: int = KEY_BYTES) -> bytes:
    """Make a key for one purpose from a random one (HKDF with SHA-256, RFC 5869)."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), length, None, info).derive(key)


class VersionCipher:
    """Encrypts and decrypts the files of one version.

    Args:
        data_key: The version's key; it is of no other version.
        bound: The version.
    """

    def __init__(self, data_key: bytes, bound: Bound) -> None:
        self._key = data_key
        self.bound = bound

    def of(self, path: str) -> FileCipher:
        """The cipher of one file."""
        return FileCipher(derive(self._key, key_info(path)), self.bound.of_file(path), path)


class FileCipher:
    """Encrypts and decrypts one file. A segment is encrypted once: a second content would have the first one's nonce.

    Args:
        key: The file's key.
        data: What all its segments are bound to.
        path: Its path, for errors.
    """

    def __init__(self, key: bytes, data: bytes, path: str) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._gcm = AESGCM(key)
        self._data = data
        self._path = path

    def seal(self, room: memoryview, position: int, *, last: bool) -> None:
        """Encrypt a segment where it stands.

        Args:
            room: The segment, and behind it room for its tag.
            position: Which segment of the file.
            last: Whether the file ends with it.
        """
        data = associated_data(self._data, position, last=last)
        self._gcm.encrypt_into(nonce(position, last=last), room[:-TAG_BYTES], data, room)

    def unseal(self, sealed: memoryview, room: memoryview, at: int, size: int) -> memoryview:
        """Decrypt segments that lie one after the other.

        Args:
            sealed: Their bytes.
            room: Where the plain bytes are put; it does not overlap with them.
            at: Where the first of them begins in the sealed file.
            size: Length of the sealed file (bytes).

        Returns:
            The part of the room that they fill; they begin at `plain_place` of ``at`` in the file.

        Raises:
            Tampered: They are not what was sealed there, or not with this key. The room is worth nothing.
        """
        from cryptography.exceptions import InvalidTag

        filled = 0
        for position, segment in _segments(sealed, at):
            last = at + len(sealed) == size and (position + 1) * SEALED_SEGMENT >= size
            plain = room[filled : filled + len(segment) - TAG_BYTES]
            data = associated_data(self._data, position, last=last)
            try:
                self._gcm.decrypt_into(nonce(position, last=last), segment, data, plain)
            except (InvalidTag, ValueError):
                told = f"file {self._path!r}" if self._path else "the sealed manifest"
                raise Tampered(told, f"its segment {position} is not what was sealed there") from None
            filled += len(plain)
        return room[:filled]


def _segments(sealed: memoryview, at: int) -> Iterator[tuple[int, memoryview]]:
    first = position_of(at)
    for start in range(0, len(sealed), SEALED_SEGMENT):
        yield first + start // SEALED_SEGMENT, sealed[start : start + SEALED_SEGMENT]


def plain_place(at: int) -> int:
    """Where the plain bytes of a segment belong that begins at a byte of the sealed file."""
    return position_of(at) * SEGMENT


def wrap(key: bytes, inner: bytes, context: bytes) -> bytes:
    """Encrypt a key with a key, bound to a context; the nonce is random and stands first."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    drawn = os.urandom(NONCE_BYTES)
    return drawn + AESGCM(key).encrypt(drawn, inner, context)


def unwrap(key: bytes, wrapped: bytes, context: bytes) -> bytes | None:
    """Decrypt a key; None if it was wrapped with another key or for something else, or has changed."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if len(wrapped) != NONCE_BYTES + KEY_BYTES + TAG_BYTES:
        return None
    try:
        return AESGCM(key).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], context)
    except InvalidTag:
        return None
