"""Messages of a call: a mark, a length, and the bytes, over any number of pieces.

Source: gRPC over HTTP/2 (``PROTOCOL-HTTP2.md``, "Length-Prefixed-Message") and gRPC's ``compression.md``.
"""

from __future__ import annotations

import zlib
from struct import Struct

_PREFIX = Struct("!BI")
PREFIX_BYTES = _PREFIX.size
_SMALL_PIECE = 4096
_GZIP = 16 + zlib.MAX_WBITS
_LEVEL = 1  # the caller waits for it: a higher one takes several times as long for a tenth less

CODINGS = frozenset({b"identity", b"gzip", b"deflate"})
"""What ``grpc-encoding`` may say."""


class MessageFault(Exception):
    """These bytes are no message that is taken.

    Args:
        why: What is wrong.
        too_large: It is only that the message is over the limit.
        unknown: It is only that its coding is not known.
    """

    def __init__(self, why: str, *, too_large: bool = False, unknown: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.too_large = too_large
        self.unknown = unknown


class MessageReader:
    """Puts the messages of one call together.

    Args:
        coding: What the call says of marked messages; empty: nothing.
        limit: Largest message, before and after it is unpacked (bytes).

    Attributes:
        held: Bytes that are here of a message that is not whole.
    """

    __slots__ = ("_coding", "_limit", "_need", "_parts", "held")

    def __init__(self, coding: bytes, limit: int) -> None:
        self._coding = coding
        self._limit = limit
        self._parts: list[bytes | bytearray] = []
        self._need = PREFIX_BYTES
        self.held = 0

    def feed(self, piece: bytes) -> list[bytes]:
        """Take a piece, and give the messages that are whole.

        Raises:
            MessageFault: It cannot be taken.
        """
        self._keep(piece)
        if self.held < self._need:
            return []
        data = piece if len(self._parts) == 1 else b"".join(self._parts)
        messages, at, size = [], 0, len(data)
        need = PREFIX_BYTES
        while size - at >= PREFIX_BYTES:
            mark, length = _PREFIX.unpack_from(data, at)
            self._check(mark, length)
            after = at + PREFIX_BYTES + length
            if after > size:
                need = after - at
                break
            message = data[at + PREFIX_BYTES : after]
            messages.append(unpacked(message, self._coding, self._limit) if mark else message)
            at = after
        rest = data[at:] if at else data
        self._parts, self.held, self._need = [rest] if rest else [], len(rest), need
        return messages

    def _keep(self, piece: bytes) -> None:
        parts = self._parts
        self.held += len(piece)
        if parts and len(piece) < _SMALL_PIECE:
            # or a message that comes byte by byte would take forty times its size
            if type(parts[-1]) is not bytearray or len(parts[-1]) >= _SMALL_PIECE:
                parts.append(bytearray())
            last = parts[-1]
            assert type(last) is bytearray  # noqa: S101 - made above if it was not
            last += piece
        else:
            parts.append(piece)

    def _check(self, mark: int, length: int) -> None:
        if mark > 1:
            raise MessageFault(f"a message is marked {mark}; expected 0 (plain) or 1 (compressed)")
        if length > self._limit:
            given = f"Received message larger than max ({length} vs. {self._limit})"
            raise MessageFault(given, too_large=True)


def prefixed(message: bytes, coding: bytes = b"") -> tuple[bytes, bytes]:
    """Write a message in two pieces.

    Args:
        message: Its bytes.
        coding: ``b"gzip"`` or ``b"deflate"``; empty: as it is.
    """
    if coding:
        message = packed(message, coding)
    return _PREFIX.pack(1 if coding else 0, len(message)), message


def packed(message: bytes, coding: bytes) -> bytes:
    """Compress a message."""
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP if coding == b"gzip" else zlib.MAX_WBITS)
    return compressor.compress(message) + compressor.flush()


def unpacked(message: bytes, coding: bytes, limit: int) -> bytes:
    """Undo the compression of a message; work stops at the limit, however small the message is.

    Raises:
        MessageFault: It is not so compressed, or far larger than it looks.
    """
    if coding not in CODINGS:
        told = coding.decode("latin-1")[:32]
        raise MessageFault(f"a message is compressed by '{told}'; gzip and deflate are known", unknown=True)
    if coding == b"identity":
        return message
    try:
        stream = zlib.decompressobj(_GZIP if coding == b"gzip" else zlib.MAX_WBITS)
        data = stream.decompress(message, limit + 1)
        if len(data) > limit:
            raise MessageFault(f"Received message larger than max ({len(data)} or more vs. {limit})", too_large=True)
        if not stream.eof or stream.unused_data:
            raise MessageFault(f"a compressed message is no whole {coding.decode()}")
    except zlib.error as error:
        raise MessageFault(f"a message cannot be unpacked: {error}") from None
    return data
