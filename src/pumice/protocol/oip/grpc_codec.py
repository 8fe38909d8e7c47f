"""Inference requests and answers of the Open Inference Protocol as protobuf messages.

Source: Open Inference Protocol ``inference_grpc.md`` and ``open_inference_grpc.proto``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec
import numpy as np
from google.protobuf.json_format import ParseDict
from google.protobuf.message import DecodeError, Message

from pumice.domain.datatypes import BYTES, DATATYPE_NAMES
from pumice.domain.errors import MalformedInput, Unsupported
from pumice.domain.request import InferRequest, InferResult
from pumice.protocol.oip.proto.open_inference_pb2 import (
    InferParameter,
    InferTensorContents,
    ModelInferRequest,
    ModelInferResponse,
    ModelStreamInferResponse,
)
from pumice.protocol.oip.shared import Memory, Place, place_of, read_place
from pumice.protocol.oip.tensors import check_shape, from_bytes, join_bytes, numpy_type, to_bytes
from pumice.protocol.oip.types import WireRequest, apply_parameters, place_outputs, put_shared

M = TypeVar("M", bound=Message)

_CONTENTS: Mapping[str, str] = MappingProxyType(
    {
        "BOOL": "bool_contents",
        "INT8": "int_contents",
        "INT16": "int_contents",
        "INT32": "int_contents",
        "INT64": "int64_contents",
        "UINT8": "uint_contents",
        "UINT16": "uint_contents",
        "UINT32": "uint_contents",
        "UINT64": "uint64_contents",
        "FP32": "fp32_contents",
        "FP64": "fp64_contents",
        BYTES: "bytes_contents",
    }
)
"""Datatype -> field of `InferTensorContents`; what is missing can come only as raw bytes."""

_CLASSIFICATION = "classification"
_EMPTY_FINAL = "triton_enable_empty_final_response"
_INFER_RESPONSE_TAG = bytes([2 << 3 | 2])  # infer_response = 2, length-delimited
_FINAL, _NOT_FINAL = (
    ModelInferResponse(parameters={"triton_final_response": InferParameter(bool_param=final)}).SerializeToString()
    for final in (True, False)
)
_RAW_OUTPUT_TAG = bytes([6 << 3 | 2])  # raw_output_contents = 6, length-delimited
_NO_RAW_OUTPUT = _RAW_OUTPUT_TAG + b"\0"  # keeps the place of an output that went to shared memory


def parse_message(kind: type[M], body: bytes) -> M:
    """Read a message.

    Raises:
        MalformedInput: The bytes are no such message.
    """
    try:
        return kind.FromString(body)
    except DecodeError as error:
        raise MalformedInput("message", f"not a {kind.DESCRIPTOR.name}: {error}") from None


def as_message(value: msgspec.Struct, message: M) -> M:
    """Fill a message with the fields of the same names."""
    filled: M = ParseDict(msgspec.to_builtins(value), message)
    return filled


def read_infer(message: ModelInferRequest, memory: Memory | None = None) -> WireRequest:
    """Take an inference request out of its message; raw numbers are views, not copies.

    Args:
        message: The request.
        memory: The regions of shared memory that the caller may use; None: the operator has not allowed any.

    Raises:
        MalformedInput: The message contradicts itself.
        Unsupported: It asks for something that this server does not do.
    """
    wire = WireRequest(InferRequest(_read_inputs(message, memory)), message.id)
    if message.parameters:
        apply_parameters(wire, {key: _value(key, value) for key, value in message.parameters.items()})
    if message.outputs:
        for wanted in message.outputs:
            if wanted.parameters:
                _refuse_extensions(f"output '{wanted.name}'", wanted.parameters)
        place_outputs(wire, [(wanted.name, _values(wanted.parameters)) for wanted in message.outputs])
        wire.outputs = tuple(wanted.name for wanted in message.outputs)
        if len(set(wire.outputs)) < len(wire.outputs):
            raise MalformedInput("outputs", f"{list(wire.outputs)[:8]}; name each wanted output once")
    return wire


def encode_result(result: InferResult, wire: WireRequest) -> bytes:
    """Write an answer as the bytes of a `ModelInferResponse`, its tensors raw."""
    # Messages of one kind put one after the other are one message, so the parts that answers have in common are kept.
    # The tensors' bytes join them last: by way of protobuf a large tensor would be copied three times, and one of
    # 600 kB takes 60 times as long.
    pieces: list[Any] = [_head(result.model, result.version)]
    if wire.id:
        pieces.append(ModelInferResponse(id=wire.id).SerializeToString())
    contents: list[Any] = []
    for name in wire.outputs or result.outputs:
        array = result.outputs[name]
        datatype = DATATYPE_NAMES[array.dtype]
        if wire.targets is not None and name in wire.targets:
            told = put_shared(wire, name, to_bytes(array))
            pieces.append(_shared_head(name, datatype, array.shape, told))
            if len(wire.targets) < len(wire.outputs):
                contents.append(_NO_RAW_OUTPUT)
            continue
        pieces.append(_output_head(name, datatype, array.shape))
        data = join_bytes(array) if datatype == BYTES else np.ascontiguousarray(array)
        contents += (_RAW_OUTPUT_TAG, varint(len(data) if isinstance(data, bytes) else data.nbytes), data)
    return b"".join(pieces + contents)


def wants_final(message: ModelInferRequest) -> bool:
    """Whether the end of an answer in parts is to be told in a message of its own."""
    wanted: bool = _EMPTY_FINAL in message.parameters and message.parameters[_EMPTY_FINAL].bool_param
    return wanted


def encode_stream_part(answer: bytes, *, final: bool) -> bytes:
    """Write a `ModelStreamInferResponse` around the bytes of an answer.

    Args:
        answer: What `encode_result` gave.
        final: It is known to be the last of its request.
    """
    mark = _FINAL if final else _NOT_FINAL
    return b"".join((_INFER_RESPONSE_TAG, varint(len(answer) + len(mark)), answer, mark))


def encode_stream_final(model: str, version: str, request_id: str) -> bytes:
    """Write the `ModelStreamInferResponse` that says nothing but that there are no more parts."""
    head = ModelInferResponse(model_name=model, model_version=version, id=request_id).SerializeToString()
    return encode_stream_part(head, final=True)


def encode_stream_error(problem: str, request_id: str) -> bytes:
    """Write a `ModelStreamInferResponse` that tells of an error."""
    response = ModelInferResponse(id=request_id)
    data: bytes = ModelStreamInferResponse(error_message=problem, infer_response=response).SerializeToString()
    return data


@lru_cache(maxsize=256)
def _head(model: str, version: str) -> bytes:
    return ModelInferResponse(model_name=model, model_version=version).SerializeToString()


@lru_cache(maxsize=1024)
def _output_head(name: str, datatype: str, shape: tuple[int, ...]) -> bytes:
    message = ModelInferResponse()
    message.outputs.add(name=name, datatype=datatype, shape=shape)
    return message.SerializeToString()


def _shared_head(name: str, datatype: str, shape: tuple[int, ...], told: Mapping[str, int | str]) -> bytes:
    message = ModelInferResponse()
    output = message.outputs.add(name=name, datatype=datatype, shape=shape)
    for key, value in told.items():
        if isinstance(value, str):
            output.parameters[key].string_param = value
        else:
            output.parameters[key].int64_param = value
    return message.SerializeToString()


def _read_inputs(message: ModelInferRequest, memory: Memory | None) -> dict[str, np.ndarray]:
    # slices, since a repeated field makes a list in one step, and iterators in one for each element
    inputs = message.inputs[:]
    raw = message.raw_input_contents[:]
    shared = _shared_inputs(inputs)
    if raw and len(raw) != len(inputs) - len(shared):
        given = f"{len(raw)} entries for {len(inputs) - len(shared)} inputs"
        raise MalformedInput("raw_input_contents", f"{given}; send one for each, in their order")
    following = iter(raw)
    arrays: dict[str, np.ndarray] = {}
    for tensor in inputs:
        name = tensor.name
        if name in arrays:
            raise MalformedInput(f"input '{name}'", "given twice")
        if tensor.parameters:
            _refuse_extensions(f"input '{name}'", tensor.parameters)
        shape = tuple(tensor.shape[:])
        if shared and name in shared:
            arrays[name] = from_bytes(name, tensor.datatype, shape, read_place(shared[name], memory))
            continue
        if not raw:
            arrays[name] = _from_contents(name, tensor.datatype, shape, tensor.contents)
            continue
        if tensor.HasField("contents") and tensor.contents.ListFields():
            raise MalformedInput(f"input '{name}'", "has 'contents' beside raw_input_contents; send one of the two")
        arrays[name] = from_bytes(name, tensor.datatype, shape, next(following))
    return arrays


def _from_contents(name: str, datatype: str, shape: tuple[int, ...], contents: InferTensorContents) -> np.ndarray:
    dtype = numpy_type(name, datatype)
    count = check_shape(name, shape)
    field = _CONTENTS.get(datatype)
    if field is None:
        raise MalformedInput(f"input '{name}'", f"{datatype} can come only in raw_input_contents")
    stray = [used.name for used, _ in contents.ListFields() if used.name != field]
    if stray:
        raise MalformedInput(f"contents of '{name}'", f"found in '{stray[0]}'; {datatype} goes into '{field}'")
    items = getattr(contents, field)
    if len(items) != count:
        raise MalformedInput(f"contents of '{name}'", f"{len(items)} elements; shape {list(shape)} takes {count}")
    try:
        return np.fromiter(items, dtype, count).reshape(shape)
    except OverflowError as error:
        raise MalformedInput(f"contents of '{name}'", f"not {datatype}: {error}") from None


def _shared_inputs(inputs: Iterable[ModelInferRequest.InferInputTensor]) -> dict[str, Place]:
    """Where inputs lie that are not in the message."""
    places: dict[str, Place] = {}
    for tensor in inputs:
        if tensor.parameters and (place := place_of(f"input '{tensor.name}'", _values(tensor.parameters))):
            places[tensor.name] = place
    return places


def _values(parameters: Mapping[str, InferParameter]) -> dict[str, Any]:
    return {key: _value(key, value) for key, value in parameters.items()}


def _value(key: str, parameter: InferParameter) -> Any:
    choice = parameter.WhichOneof("parameter_choice")
    if choice is None:
        raise MalformedInput(f"parameter '{key}'", "has no value")
    return getattr(parameter, choice)


def _refuse_extensions(what: str, parameters: Mapping[str, InferParameter]) -> None:
    if _CLASSIFICATION in parameters:
        raise Unsupported(f"'{_CLASSIFICATION}' of {what}", "take the whole tensor and sort it")


def varint(number: int) -> bytes:
    """Write a number >= 0 as protobuf does."""
    digits = bytearray()
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    digits.append(number)
    return bytes(digits)
