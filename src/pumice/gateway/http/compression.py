"""Bodies that come compressed, and answers that go so. Light on purpose (no framework): the hot path uses it too."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable

from pumice.domain.errors import MalformedInput, TooLarge

CODINGS = ("gzip", "deflate", "identity")
"""What ``Content-Encoding`` may say."""

COMPRESS_FROM = 4096
"""Answers below this are not worth compressing (bytes)."""

_LEVEL = 1  # the caller waits for it: a higher one takes several times as long for a tenth less
_GZIP = 16 + zlib.MAX_WBITS


_WEIGHT = re.compile(rb"0(\.\d{0,3})?|1(\.0{0,3})?")


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


def negotiate(accept: bytes) -> bytes:
    """Choose how to compress an answer.

    Args:
        accept: Value of ``Accept-Encoding``; empty if there is none.

    Returns:
        ``b"gzip"`` or ``b"deflate"``; empty: not at all.
    """
    if not accept:
        return b""
    weights = dict(map(_weighted, accept.lower().split(b",")))
    others = weights.get(b"*", 0.0)
    weighed = {coding: weights.get(coding, others) for coding in (b"gzip", b"deflate")}
    best = max(weighed, key=lambda coding: weighed[coding])  # gzip, if they weigh the same
    return best if weighed[best] > 0 and weighed[best] >= weights.get(b"identity", 0.0) else b""


def compress(parts: Iterable[bytes | memoryview], coding: bytes) -> list[bytes | memoryview]:
    """Compress an answer.

    Args:
        parts: The pieces of its body.
        coding: As `negotiate` chose it.
    """
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP if coding == b"gzip" else zlib.MAX_WBITS)
    return [*(compressor.compress(part) for part in parts), compressor.flush()]


def _weighted(item: bytes) -> tuple[bytes, float]:
    """A coding and its weight (RFC 9110, 12.4.2); one whose weight cannot be read is not wanted."""
    coding, _, parameters = item.partition(b";")
    name, _, value = parameters.partition(b"=")
    weight = 1.0
    if name.strip() == b"q":
        weight = float(value) if _WEIGHT.fullmatch(value.strip()) else 0.0
    return coding.strip().removeprefix(b"x-"), weight


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
