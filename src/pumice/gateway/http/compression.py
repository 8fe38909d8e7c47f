"""Bodies that came compressed. Light on purpose (no framework): the hot path uses it too."""

from __future__ import annotations

import zlib

from pumice.domain.errors import MalformedInput, TooLarge

CODINGS = ("gzip", "deflate", "identity")
"""What ``Content-Encoding`` may say."""

_GZIP = 16 + zlib.MAX_WBITS


def decompress(body: bytes, coding: str, limit: int) -> bytes:
    """Undo a request's ``Content-Encoding``.

    Args:
        body: As it came.
        coding: Value of the header; empty if there is none.
        limit: Most that may come out (bytes); work stops there, however small the body is.

    Raises:
        MalformedInput: The coding is not one of `CODINGS`, or the body is not what it says.
        TooLarge: More than ``limit`` would come out.
    """
    coding = coding.strip().lower().removeprefix("x-")
    if coding in ("", "identity"):
        return body
    if coding not in CODINGS:
        raise MalformedInput("header 'content-encoding'", f"'{coding[:32]}'; expected one of {', '.join(CODINGS)}")
    # "deflate" means zlib's format, but many clients send the bare stream
    bare = coding == "deflate" and not _has_zlib_header(body)
    window = _GZIP if coding == "gzip" else -zlib.MAX_WBITS if bare else zlib.MAX_WBITS
    try:
        return _inflate(body, window, limit)
    except zlib.error as error:
        raise MalformedInput("body", f"is not {coding}: {error}") from None


def _inflate(body: bytes, window: int, limit: int) -> bytes:
    stream = zlib.decompressobj(window)
    data = stream.decompress(body, limit + 1)
    if len(data) > limit:
        raise TooLarge("the body, decompressed,", len(data), limit)
    if not stream.eof:
        raise zlib.error("it ends early")
    # several gzip members in one body are legal but nobody sends them, and millions of tiny ones would cost too much
    if stream.unused_data:
        raise zlib.error("something follows its end")
    return data


def _has_zlib_header(body: bytes) -> bool:
    return len(body) >= 2 and body[0] & 0x0F == 8 and (body[0] << 8 | body[1]) % 31 == 0
