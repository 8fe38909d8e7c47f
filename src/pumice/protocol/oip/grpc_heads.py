"""Requests that begin as one did before: what they say is known, only the numbers at their end are new.

A caller sends the same model, name, type and shape again and again; to read them takes five times as long as the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from google.protobuf.message import DecodeError

from pumice.domain.datatypes import BOOL, BYTES
from pumice.domain.request import InferRequest
from pumice.protocol.oip.grpc_codec import parse_message, read_infer, varint
from pumice.protocol.oip.proto.open_inference_pb2 import ModelInferRequest
from pumice.protocol.oip.shared import Memory
from pumice.protocol.oip.types import WireRequest

_RAW_INPUT_TAG = bytes([7 << 3 | 2])  # raw_input_contents = 7, length-delimited

_KEY_BYTES = 64
"""Beginning of a message that, with its length, a head is found by."""

_MOST = 256
"""Heads that are kept."""

_LONGEST = 1024
"""A longer head is not kept (bytes)."""


@dataclass(slots=True)
class Asked:
    """A request for an inference.

    Attributes:
        model: Name of the model.
        version: Its version, or an empty string for the newest.
        wire: What is asked of it.
    """

    model: str
    version: str
    wire: WireRequest


@dataclass(frozen=True, slots=True)
class _Head:
    data: bytes
    """The message up to the numbers."""
    model: str
    version: str
    outputs: tuple[str, ...]
    name: str
    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]


class Heads:
    """Reads requests, and remembers how those of one raw tensor without id and parameters begin."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, bytes], _Head] = {}

    def read(self, body: bytes, memory: Memory | None = None) -> Asked:
        """Read the bytes of a `ModelInferRequest`.

        Args:
            body: The bytes.
            memory: The regions of shared memory that the caller may use; None: the operator has not allowed any.

        Raises:
            MalformedInput: They are none, or contradict themselves.
            Unsupported: It asks for something that this server does not do.
        """
        key = len(body), body[:_KEY_BYTES]
        head = self._known.get(key)
        if head is not None and body.startswith(head.data):
            # the length of the data is that of the first such message, so it fits type and shape as that did
            array = np.frombuffer(body[len(head.data) :], head.dtype).reshape(head.shape)
            return Asked(head.model, head.version, WireRequest(InferRequest({head.name: array}), outputs=head.outputs))
        message = parse_message(ModelInferRequest, body)
        wire = read_infer(message, memory)
        if head is None:
            self._remember(key, body, message, wire)
        return Asked(message.model_name, message.model_version, wire)

    def _remember(self, key: tuple[int, bytes], body: bytes, message: ModelInferRequest, wire: WireRequest) -> None:
        if len(message.raw_input_contents) != 1 or message.id or message.parameters:
            return
        if message.inputs[0].parameters or any(wanted.parameters for wanted in message.outputs):
            return  # they are in shared memory, of which each request is asked anew
        datatype, size = message.inputs[0].datatype, len(message.raw_input_contents[0])
        data = body[: len(body) - size]
        if datatype in {BOOL, BYTES} or len(data) > _LONGEST or not _ends_with_raw(data, size):
            return
        if len(self._known) >= _MOST:
            self._known.clear()
        ((name, array),) = wire.request.inputs.items()
        self._known[key] = _Head(
            data, message.model_name, message.model_version, wire.outputs, name, array.dtype, array.shape
        )


def _ends_with_raw(data: bytes, size: int) -> bool:
    """Whether what follows this beginning of a message is a raw tensor of this size, whatever its bytes are."""
    mark = _RAW_INPUT_TAG + varint(size)
    if not data.endswith(mark):
        return False
    try:
        # a whole message without the tensor: so the mark is no part of something else
        before = ModelInferRequest.FromString(data[: -len(mark)])
    except DecodeError:
        return False
    return not before.raw_input_contents
