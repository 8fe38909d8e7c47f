"""Packed lists of header fields (HPACK, RFC 7541): read, with a memory of those that come again and again; written.

`hpack` reads them. What we write never touches the peer's dynamic table, so its bytes can be kept as templates.
"""

from __future__ import annotations

import hpack

from pumice.protocol.http2.values import Code, ConnectionFault

_MOST_KNOWN = 256
"""Blocks that are remembered."""

_LONGEST_KNOWN = 1024
"""A longer block is not remembered (bytes)."""

_FIELD_COST = 32
"""What a field counts for besides its name and value (bytes; RFC 9113, 6.5.2)."""

_REQUIRED = frozenset({b":method", b":scheme", b":path"})
_PSEUDO = _REQUIRED | {b":authority"}
_OF_HTTP_1 = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"})
_UPPER = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_NEVER_IN_NAMES = frozenset([*range(0x21), *range(0x7F, 0x100)]) | _UPPER


class Fields:
    """A list of header fields.

    Attributes:
        pairs: Names and values.
        values: Values by name; the last, if one comes several times.
        size: As RFC 9113 counts it (bytes).
        problem: Why it cannot be a request's head; empty: it can.
        notes: What others read out of it, kept here since the same list comes again and again.
    """

    __slots__ = ("notes", "pairs", "problem", "size", "values")

    def __init__(self, pairs: list[tuple[bytes, bytes]]) -> None:
        self.pairs = pairs
        self.values = dict(pairs)
        self.size = sum(len(name) + len(value) + _FIELD_COST for name, value in pairs)
        self.problem = _problem_of(pairs)
        self.notes: object = None


class BlockReader:
    """Reads the blocks of one connection, in their order.

    A block that neither adds to the dynamic table nor changes its size means the same as long as nothing else does, so
    it is remembered until then.

    Args:
        most: Largest list (bytes, as RFC 9113 counts them).
    """

    __slots__ = ("_decoder", "_known", "_most")

    def __init__(self, most: int) -> None:
        self._decoder = hpack.Decoder(max_header_list_size=most)
        self._known: dict[bytes, Fields] = {}
        self._most = most

    def read(self, block: bytes) -> Fields:
        """Read a whole block.

        Raises:
            ConnectionFault: It cannot be read, so nor can any after it.
        """
        known = self._known.get(block)
        if known is not None:
            return known
        try:
            pairs = [(bytes(name), bytes(value)) for name, value in self._decoder.decode(block, raw=True)]
        except hpack.OversizedHeaderListError:
            raise ConnectionFault(Code.ENHANCE_YOUR_CALM, f"header fields of more than {self._most} bytes") from None
        except hpack.HPACKError as error:
            raise ConnectionFault(Code.COMPRESSION_ERROR, f"header fields cannot be unpacked: {error}") from None
        fields = Fields(pairs)
        if changes_table(block):
            self._known.clear()
        elif len(block) <= _LONGEST_KNOWN:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[block] = fields
        return fields


def changes_table(block: bytes) -> bool:
    """Whether a block that could be read adds to the dynamic table or changes its size (RFC 7541, 6)."""
    at, end = 0, len(block)
    while at < end:
        first = block[at]
        if first & 0x80:
            at, _ = _integer(block, at, 7)
            continue
        if first & 0x60:
            return True
        at, name = _integer(block, at, 4)
        for _ in range(1 if name else 2):
            at, length = _integer(block, at, 7)
            at += length
    return False


def literal(name: bytes, value: bytes) -> bytes:
    """Write a field that leaves no trace in the peer's table."""
    return b"\0" + _string(name) + _string(value)


def _string(text: bytes) -> bytes:
    return _packed(len(text)) + text


def _packed(number: int) -> bytes:
    """A number of seven bits, or of more bytes if it needs them (RFC 7541, 5.1)."""
    if number < 0x7F:
        return bytes((number,))
    packed, number = bytearray((0x7F,)), number - 0x7F
    while number >= 0x80:
        packed.append(number & 0x7F | 0x80)
        number >>= 7
    packed.append(number)
    return bytes(packed)


def _integer(block: bytes, at: int, bits: int) -> tuple[int, int]:
    """Read a number whose first byte gives it some bits; returns where it ends, too."""
    most = (1 << bits) - 1
    number = block[at] & most
    at += 1
    if number < most:
        return at, number
    shift = 0
    while True:
        byte = block[at]
        at += 1
        number += (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return at, number


def _problem_of(pairs: list[tuple[bytes, bytes]]) -> str:
    """What RFC 9113, 8.2 and 8.3, forbid in a request's head."""
    seen: set[bytes] = set()
    regular = False
    for name, value in pairs:
        if name[:1] == b":":
            if regular or name in seen or name not in _PSEUDO:
                return "pseudo-header fields that are unknown, doubled, or not at the beginning"
            seen.add(name)
        else:
            regular = True
            if _is_forbidden(name, value):
                return "a field that HTTP/2 does not allow"
        if b"\0" in value or b"\r" in value or b"\n" in value:
            return "a value with a line end"
    return "" if seen >= _REQUIRED else "a pseudo-header field is missing"


def _is_forbidden(name: bytes, value: bytes) -> bool:
    if not name or name in _OF_HTTP_1 or not _NEVER_IN_NAMES.isdisjoint(name):
        return True
    return name == b"te" and value != b"trailers"
