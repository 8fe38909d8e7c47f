"""Requests and outcomes as bytes: msgpack, with the tensors' own bytes inside.

Records are arrays to which later versions may add fields at the end, so that a task outlives an update.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np

from pumice.domain.datatypes import BYTES, NUMPY_TYPES, datatype_of
from pumice.domain.errors import PumiceError, TooLarge
from pumice.domain.model import Parameter
from pumice.domain.request import InferRequest, InferResult
from pumice.protocol.frames import ErrorRecord, error_of, record_error

MAX_BYTES = 512 * 1024 * 1024
"""Largest record (bytes); SQLite takes no value of 1 GB."""


class _Tensor(msgspec.Struct, frozen=True, array_like=True):
    name: str
    datatype: str
    shape: tuple[int, ...]
    data: bytes | list[bytes]


class _Request(msgspec.Struct, frozen=True, array_like=True):
    inputs: list[_Tensor]
    parameters: dict[str, Parameter]
    expires: float | None
    priority: int
    request_id: str
    traceparent: str
    caller: str = ""


class _Result(msgspec.Struct, frozen=True, array_like=True):
    outputs: list[_Tensor]
    model: str
    version: str
    cached: bool


_encode = msgspec.msgpack.Encoder().encode
_decode_request = msgspec.msgpack.Decoder(_Request).decode
_decode_result = msgspec.msgpack.Decoder(_Result).decode
_decode_error = msgspec.msgpack.Decoder(ErrorRecord).decode


def encode_request(request: InferRequest, ahead: float) -> bytes:
    """Turn a request into bytes.

    Args:
        request: The request; its deadline is kept as a time of the wall clock, since another process may run it.
        ahead: How far the wall clock is ahead of the monotonic clock (s).

    Raises:
        TooLarge: It has more than `MAX_BYTES`.
    """
    expires = None if request.deadline is None else request.deadline + ahead
    record = _Request(
        _tensors(request.inputs),
        request.parameters,
        expires,
        request.priority,
        request.request_id,
        request.traceparent,
        request.caller,
    )
    return _bounded("the task's request", _encode(record))


def decode_request(data: bytes, ahead: float) -> InferRequest:
    """Turn bytes into the request that they were made from; its arrays are read-only views.

    Args:
        data: What `encode_request` made.
        ahead: How far the wall clock is ahead of the monotonic clock (s), here and now.
    """
    record = _decode_request(data)
    return InferRequest(
        inputs=_arrays(record.inputs),
        parameters=record.parameters,
        deadline=None if record.expires is None else record.expires - ahead,
        priority=record.priority,
        request_id=record.request_id,
        traceparent=record.traceparent,
        caller=record.caller,
    )


def encode_result(result: InferResult) -> bytes:
    """Turn an answer into bytes.

    Raises:
        TooLarge: It has more than `MAX_BYTES`.
    """
    record = _Result(_tensors(result.outputs), result.model, result.version, result.cached)
    return _bounded("the task's result", _encode(record))


def decode_result(data: bytes) -> InferResult:
    """Turn bytes into the answer that they were made from; its arrays are read-only views."""
    record = _decode_result(data)
    return InferResult(_arrays(record.outputs), record.model, record.version, record.cached)


def encode_error(error: PumiceError) -> bytes:
    """Turn an error into bytes: its class and its fields, no traceback."""
    return _encode(record_error(error))


def decode_error(data: bytes, model: str) -> PumiceError:
    """Turn bytes into an error like the one that they were made from."""
    return error_of(_decode_error(data), model)


def _bounded(what: str, data: bytes) -> bytes:
    if len(data) > MAX_BYTES:
        raise TooLarge(what, len(data), MAX_BYTES)
    return data


def _tensors(arrays: Mapping[str, np.ndarray]) -> list[_Tensor]:
    return [_tensor(name, array) for name, array in arrays.items()]


def _tensor(name: str, array: np.ndarray) -> _Tensor:
    datatype = datatype_of(array)
    if datatype == BYTES:
        items = [item.encode() if isinstance(item, str) else item for item in array.ravel().tolist()]
        return _Tensor(name, datatype, array.shape, items)
    return _Tensor(name, datatype, array.shape, array.tobytes())


def _arrays(tensors: list[_Tensor]) -> dict[str, np.ndarray]:
    return {tensor.name: _array(tensor) for tensor in tensors}


def _array(tensor: _Tensor) -> np.ndarray:
    if isinstance(tensor.data, list):
        array = np.empty(len(tensor.data), dtype=object)
        array[:] = tensor.data
        array.flags.writeable = False
    else:
        array = np.frombuffer(tensor.data, dtype=NUMPY_TYPES[tensor.datatype])
    return array.reshape(tensor.shape)
