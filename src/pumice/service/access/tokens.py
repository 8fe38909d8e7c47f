"""What a key looks like: ``pum_<id>_<secret><checksum>``.

The prefix and the checksum let scanners find a key that was published by mistake, and tell a typing error from a key
that is unknown, without asking anyone. The secret has 256 random bits, so one round of SHA-256 is enough to store it:
there is nothing to guess, and a slow hash would only slow every request.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import zlib

_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_ID, _SECRET, _CHECK = 10, 43, 6  # 62**43 > 2**256
_KEY = re.compile(rf"pum_([0-9A-Za-z]{{{_ID}}})_[0-9A-Za-z]{{{_SECRET + _CHECK}}}")


def new_key() -> tuple[str, str]:
    """Make a key.

    Returns:
        Its id, which may be shown, and the key, which may not.
    """
    key_id, secret = _random(_ID), _random(_SECRET)
    body = f"pum_{key_id}_{secret}"
    return key_id, body + _checksum(body)


def id_of(token: str) -> str | None:
    """Return the id in a key; None if it is no key, or one with a typing error."""
    match = _KEY.fullmatch(token)
    if match is None or _checksum(token[:-_CHECK]) != token[-_CHECK:]:
        return None
    return match[1]


def digest_of(token: str) -> bytes:
    """Return what is stored of a key: SHA-256, 32 bytes."""
    return hashlib.sha256(token.encode()).digest()


def _random(length: int) -> str:
    return "".join(secrets.choice(_DIGITS) for _ in range(length))


def _checksum(body: str) -> str:
    number = zlib.crc32(body.encode())
    digits = ""
    while len(digits) < _CHECK:
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits
