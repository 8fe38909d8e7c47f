"""Frames of streams between a front process and a replica: many streams on one connection, each under a number.

A frame is put together as in `pumice.protocol.frames`, its tensors always in the payload: the parts of a stream are
small and many. The front sends `Order`s, the replica answers with `News`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
import numpy as np

from pumice.domain.model import Parameter
from pumice.protocol.frames import PREFIX, ErrorRecord, TensorHead, pack

SUFFIX = ".streams"
"""What a replica adds to the path of its socket for the one on which it takes streams."""


class Order(msgspec.Struct, array_like=True, frozen=True):
    """What a front wants of one stream.

    Attributes:
        number: Of the stream, on this connection.
        kind: ``run`` it, ``end`` it since nobody waits any more, or send ``more`` of its parts.
        amount: Parts that may be sent without waiting for another ``more``.
        tensors: The inputs, with ``run``.
        parameters: The request's own parameters.
        limit: Longest silence of the model (s).
        traces: Trace context of the request, if it brought one.
    """

    number: int
    kind: Literal["run", "end", "more"]
    amount: int = 0
    tensors: list[TensorHead] = []
    parameters: dict[str, Parameter] = {}
    limit: float = 0.0
    traces: list[str] = []


class News(msgspec.Struct, array_like=True, frozen=True):
    """What a replica tells of one stream.

    Attributes:
        number: Of the stream.
        kind: An order to run or to end it was ``heard``; the model ``began``, gave a ``part``, or is at its ``end``.
        tensors: The outputs of a part.
        error: What went wrong, at the end.
        trace: Where it went wrong, for the log.
    """

    number: int
    kind: Literal["heard", "began", "part", "end"]
    tensors: list[TensorHead] = []
    error: ErrorRecord | None = None
    trace: str = ""


_encode = msgspec.msgpack.Encoder().encode
decode_order = msgspec.msgpack.Decoder(Order).decode
decode_news = msgspec.msgpack.Decoder(News).decode


def tensors_of(arrays: Mapping[str, np.ndarray]) -> tuple[list[TensorHead], list[list[np.ndarray]]]:
    """Describe tensors, and give what follows the header for them."""
    packed = pack([arrays], 0) if arrays else None
    return (packed.heads, packed.pieces) if packed is not None else ([], [])


def stream_frame(head: Order | News, pieces: list[list[np.ndarray]]) -> bytes:
    """Put a whole frame together."""
    header = _encode(head)
    arrays: list[Any] = [array for tensor in pieces for array in tensor if array.nbytes]
    prefix = PREFIX.pack(len(header), sum(array.nbytes for array in arrays))
    return b"".join([prefix, header, *arrays])
