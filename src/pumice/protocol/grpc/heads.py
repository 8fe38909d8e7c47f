"""What the head of a call says: its method, its deadline, its coding.

Source: gRPC over HTTP/2 (``PROTOCOL-HTTP2.md``, "Requests").
"""

from __future__ import annotations

from dataclasses import dataclass

from pumice.protocol.http2.header_blocks import Fields

_UNITS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_MOST_DIGITS = 8
_CONTENT_TYPE = b"application/grpc"


@dataclass(frozen=True, slots=True)
class Asked:
    """A call as its head tells it.

    Attributes:
        path: Full name of the method, for example ``/inference.GRPCInferenceService/ModelInfer``.
        timeout: How long the caller waits (s); None: it did not say.
        coding: Of messages that are marked as compressed; empty: none.
        accepts: Codings of answers that the caller reads.
        metadata: The header fields by name.
    """

    path: str
    timeout: float | None
    coding: bytes
    accepts: frozenset[bytes]
    metadata: dict[bytes, bytes]


class HeadFault(Exception):
    """A request that is none of gRPC's.

    Args:
        status: HTTP status that tells it; 0: a status of gRPC does.
        why: What is wrong.
    """

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.why = why


def read_head(fields: Fields) -> Asked:
    """Read the head of a call. One without ``te: trailers`` is taken: whoever can read no trailers learns nothing.

    Raises:
        HeadFault: It is none, or cannot be read.
    """
    values = fields.values
    if values.get(b":method") != b"POST":
        raise HeadFault(405, "a call is a POST")
    kind = values.get(b"content-type", b"").lower()
    if not kind.startswith(_CONTENT_TYPE) or kind[len(_CONTENT_TYPE) :][:1] not in (b"", b"+", b";"):
        raise HeadFault(415, "a call's content-type is application/grpc")
    timeout = values.get(b"grpc-timeout")
    accepts = frozenset(coding.strip() for coding in values.get(b"grpc-accept-encoding", b"").split(b","))
    return Asked(
        path=values[b":path"].decode("latin-1"),
        timeout=None if timeout is None else read_timeout(timeout),
        coding=values.get(b"grpc-encoding", b""),
        accepts=accepts,
        metadata=values,
    )


def read_timeout(text: bytes) -> float:
    """Read how long a caller waits (s).

    Raises:
        HeadFault: It is no such time.
    """
    digits, unit = text[:-1], _UNITS.get(text[-1:])
    if unit is None or not digits.isdigit() or len(digits) > _MOST_DIGITS:
        raise HeadFault(0, "'grpc-timeout' is one to eight digits and one of H, M, S, m, u, n")
    return int(digits) * unit
