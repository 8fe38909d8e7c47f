"""The statuses of gRPC, and how they are told in trailers.

Source: gRPC over HTTP/2 (``PROTOCOL-HTTP2.md``) and ``statuscodes.md``.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from enum import IntEnum

from pumice.protocol.http2.header_blocks import literal

_STATUS_200 = b"\x88"  # of HPACK's static table
_PLAIN = frozenset(range(0x20, 0x7F)) - {ord("%")}


class StatusCode(IntEnum):
    """How a call ended."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


HEAD = (
    _STATUS_200
    + literal(b"content-type", b"application/grpc")
    + literal(b"grpc-accept-encoding", b"identity,deflate,gzip")
)
"""Packed header fields of an answer."""

HEADS = {coding: HEAD + literal(b"grpc-encoding", coding) for coding in (b"gzip", b"deflate")} | {b"": HEAD}
"""The same by the coding of its messages."""

OK_TAIL = literal(b"grpc-status", b"0")
"""Packed trailers of a call that went well, without metadata."""

Metadata = Iterable[tuple[str, str | bytes]]
"""Names and values; values of names that end in ``-bin`` are bytes."""


def tail(code: StatusCode, details: str, metadata: Metadata) -> bytes:
    """Pack the trailers of a call.

    Args:
        code: How it ended.
        details: The same in words.
        metadata: What is told besides.
    """
    packed = [literal(b"grpc-status", b"%d" % code)]
    if details:
        packed.append(literal(b"grpc-message", percent_encoded(details)))
    for name, value in metadata:
        plain = b64encode(value).rstrip(b"=") if isinstance(value, bytes) else value.encode("latin-1", "replace")
        packed.append(literal(name.encode("ascii"), plain))
    return b"".join(packed)


def tail_only(code: StatusCode, details: str, metadata: Metadata) -> bytes:
    """Pack an answer that is nothing but its end."""
    return HEAD + tail(code, details, metadata)


def no_grpc(status: int) -> bytes:
    """Pack the answer to a request that is not gRPC's.

    Args:
        status: HTTP status.
    """
    return literal(b":status", b"%d" % status)


def percent_encoded(text: str) -> bytes:
    """Write a status message as its header field carries it."""
    raw = text.encode("utf-8", "replace")
    if _PLAIN.issuperset(raw):
        return raw
    return b"".join(bytes((byte,)) if byte in _PLAIN else b"%%%02X" % byte for byte in raw)
