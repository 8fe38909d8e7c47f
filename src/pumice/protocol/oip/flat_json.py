"""The usual JSON request and answer, each in one pass: flat lists of numbers.

The general codec keeps each tensor's JSON until it knows the datatype, and so looks at it twice. Here the datatype is
known before. What does not fit (nested lists, other datatypes, a mistake) is left to the general codec. Of an answer,
all that goes before the numbers is the same each time.
"""

from __future__ import annotations

import warnings
from math import prod
from typing import Any

import msgspec
import numpy as np

from pumice.domain.datatypes import DATATYPE_NAMES
from pumice.domain.request import InferRequest, InferResult
from pumice.domain.signature import Signature
from pumice.protocol.oip.json_codec import JsonOutput, JsonResponse, JsonWanted, extra_keys, finish_request
from pumice.protocol.oip.types import WireRequest

_NOTHING: dict[str, Any] = {}
_UNKNOWN = ("", None, -1)

_encode = msgspec.json.Encoder().encode
_beginnings: dict[tuple[Any, ...], bytes] = {}
_MOST_BEGINNINGS = 1024
"""Beginnings of answers that are kept; they differ by version, output and number of rows."""

_NUMBERS = "fiub"
_NO_DATA = b"[]}]}"
_END = b"}]}"

# numbers beyond FP32 round to infinity, which is refused where inputs are validated
warnings.filterwarnings("ignore", "overflow encountered in cast", RuntimeWarning)


class _FloatTensor(msgspec.Struct):
    name: str
    shape: tuple[int, ...]
    datatype: str
    data: list[float]


class _IntTensor(msgspec.Struct):
    name: str
    shape: tuple[int, ...]
    datatype: str
    data: list[int]


class _FloatRequest(msgspec.Struct):
    inputs: list[_FloatTensor]
    id: str = ""
    parameters: dict[str, Any] = _NOTHING
    outputs: list[JsonWanted] = []


class _IntRequest(msgspec.Struct):
    inputs: list[_IntTensor]
    id: str = ""
    parameters: dict[str, Any] = _NOTHING
    outputs: list[JsonWanted] = []


class FlatReader:
    """Reads requests for one signature.

    Args:
        signature: The inputs of the model.
    """

    __slots__ = ("_decode", "_types")

    def __init__(self, signature: Signature) -> None:
        self._types = {tensor.name: (tensor.datatype, tensor.dtype, len(tensor.shape)) for tensor in signature.inputs}
        kinds = {tensor.dtype.kind for tensor in signature.inputs}
        if kinds == {"f"}:
            self._decode: Any = msgspec.json.Decoder(_FloatRequest).decode
        elif kinds and kinds <= {"i", "u"}:
            self._decode = msgspec.json.Decoder(_IntRequest).decode
        else:
            self._decode = None

    def read(self, body: bytes) -> WireRequest | None:
        """Read a body that is JSON alone.

        Returns:
            The request, or None: ask the general codec, which also knows what is wrong with it.

        Raises:
            MalformedInput: A parameter is wrong.
            Unsupported: It asks for something that this server does not do.
        """
        if self._decode is None:
            return None
        try:
            parsed = self._decode(body)
            arrays = self._arrays(parsed.inputs)
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError, OverflowError, RecursionError):
            return None
        said_more = parsed.id or parsed.parameters or parsed.outputs
        keys = 1 + 4 * len(parsed.inputs) + (extra_keys(parsed) if said_more else 0)
        # a colon for each key that was found: then none came twice, and none was passed over
        if arrays is None or body.count(b":") != keys:
            return None
        wire = WireRequest(InferRequest(arrays), parsed.id)
        if parsed.parameters or parsed.outputs:
            finish_request(wire, parsed.parameters, parsed.outputs)
        return wire

    def _arrays(self, tensors: list[_FloatTensor] | list[_IntTensor]) -> dict[str, np.ndarray] | None:
        arrays: dict[str, np.ndarray] = {}
        for item in tensors:
            name, shape, data = item.name, item.shape, item.data
            datatype, dtype, rank = self._types.get(name, _UNKNOWN)
            if item.datatype != datatype or name in arrays or len(shape) != rank or len(data) != prod(shape):
                return None
            arrays[name] = np.array(data, dtype=dtype).reshape(shape)
        return arrays


def write_flat(result: InferResult, wire: WireRequest) -> list[bytes | memoryview] | None:
    """Write the JSON of an answer that has one output of numbers.

    Returns:
        The pieces of the body, or None: ask the general codec, which also knows what is wrong with it.
    """
    outputs = result.outputs
    if len(outputs) != 1 or wire.id or wire.outputs or wire.binary_default or wire.targets is not None:
        return None
    [(name, array)] = outputs.items()
    dtype = array.dtype
    if dtype.kind not in _NUMBERS:
        return None
    key = (result.model, result.version, name, dtype.char, array.shape)
    beginning = _beginnings.get(key)
    if beginning is None:
        output = JsonOutput(name, DATATYPE_NAMES[dtype], array.shape, [])
        beginning = _encode(JsonResponse(result.model, result.version, [output])).removesuffix(_NO_DATA)
        if len(_beginnings) >= _MOST_BEGINNINGS:
            _beginnings.clear()
        _beginnings[key] = beginning
    data = _encode(array.ravel().tolist())
    # JSON has no NaN and no infinity. `in` would first take the bytes for a number, and throw that error away
    return [beginning, data, _END] if data.find(b"null") < 0 else None
