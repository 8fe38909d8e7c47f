"""What a key can do, and keys whose bytes are here."""

from __future__ import annotations

import base64
import binascii
from typing import Protocol

from pumice.domain.errors import BadSetting
from pumice.domain.store.sealing import KEY_BYTES, Bound
from pumice.store.ciphers import derive, new_key, unwrap, wrap


class SealKey(Protocol):
    """A key that wraps data keys. What it wrapped, it unwraps for the same version alone."""

    @property
    def id(self) -> str:
        """Tells which key it is, and nothing of it; equal keys have equal ids."""
        ...

    def wrap(self, data_key: bytes, bound: Bound) -> bytes:
        """Encrypt the data key of a version.

        Raises:
            KeyServiceFailed: Its service failed.
        """
        ...

    def unwrap(self, wrapped: bytes, bound: Bound) -> bytes | None:
        """Decrypt the data key of a version; None if this is not what was wrapped for it.

        Raises:
            KeyServiceFailed: Its service failed.
        """
        ...


class LocalKey:
    """A key whose bytes are here, wherever they came from.

    Args:
        key: 32 random bytes.
    """

    def __init__(self, key: bytes) -> None:
        self.id = f"local:{derive(key, b'pumice seal key: id', 8).hex()}"
        self._wrapping = derive(key, b"pumice seal key: wrapping")

    def wrap(self, data_key: bytes, bound: Bound) -> bytes:
        """Encrypt the data key of a version."""
        return wrap(self._wrapping, data_key, bound.context)

    def unwrap(self, wrapped: bytes, bound: Bound) -> bytes | None:
        """Decrypt the data key of a version; None if this is not what was wrapped for it."""
        return unwrap(self._wrapping, wrapped, bound.context)


def new_text() -> str:
    """A new key, as files and keyrings keep it."""
    return base64.b64encode(new_key()).decode()


def from_text(text: bytes, origin: str) -> LocalKey:
    """Read a key.

    Args:
        text: 32 bytes as they are, or in base64.
        origin: Where it comes from, for errors.

    Raises:
        BadSetting: It is something else. The message does not tell what.
    """
    key = text
    if len(text) != KEY_BYTES:
        try:
            key = base64.b64decode(text.strip(), validate=True)
        except binascii.Error:
            raise BadSetting(origin, "something that is no base64", f"{KEY_BYTES} bytes, in base64") from None
    if len(key) != KEY_BYTES:
        raise BadSetting(origin, f"a key of {len(key)} bytes", f"{KEY_BYTES} bytes, in base64")
    return LocalKey(key)
