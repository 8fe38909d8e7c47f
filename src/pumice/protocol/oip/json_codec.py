"""Inference requests and answers as JSON, with or without binary tensors behind it.

Sources: Open Inference Protocol ``inference_rest.md`` and Triton's binary tensor data extension.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

import msgspec
import numpy as np

from pumice.domain.datatypes import BYTES, DATATYPE_NAMES
from pumice.domain.errors import MalformedInput, Unsupported
from pumice.domain.request import InferRequest, InferResult
from pumice.domain.signature import Signature
from pumice.protocol.json_keys import refuse_double_keys
from pumice.protocol.oip.shared import REGION, Memory, place_of, read_place
from pumice.protocol.oip.tensors import check_shape, from_bytes, numpy_type, seen_as_bytes, to_bytes
from pumice.protocol.oip.types import WireRequest, apply_parameters, place_outputs, put_shared, truth_of

_EMPTY: dict[str, Any] = {}


class JsonTensor(msgspec.Struct):
    """A tensor that came; ``data`` is absent when its bytes follow the JSON."""

    name: str
    shape: tuple[int, ...]
    datatype: str
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    parameters: dict[str, Any] = _EMPTY


class JsonWanted(msgspec.Struct):
    """An output that is asked for."""

    name: str
    parameters: dict[str, Any] = _EMPTY


class JsonRequest(msgspec.Struct):
    """The body of ``POST /v2/models/{model}/infer``."""

    inputs: list[JsonTensor]
    id: str = ""
    parameters: dict[str, Any] = _EMPTY
    outputs: list[JsonWanted] = []


class JsonOutput(msgspec.Struct, omit_defaults=True):
    """An output tensor."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: list[Any] | msgspec.UnsetType = msgspec.UNSET
    parameters: dict[str, int | str] = {}


class JsonResponse(msgspec.Struct, omit_defaults=True):
    """The answer to a `JsonRequest`."""

    model_name: str
    model_version: str
    outputs: list[JsonOutput]
    id: str = ""


_decode_request = msgspec.json.Decoder(JsonRequest).decode
_encode = msgspec.json.Encoder().encode
_ELEMENTS: Mapping[str, type] = {"b": bool, "i": int, "u": int, "f": float, "O": str}
_decoders: dict[tuple[str, int], msgspec.json.Decoder[Any]] = {}


def decode_infer(body: bytes | memoryview, json_length: int | None = None, memory: Memory | None = None) -> WireRequest:
    """Read the body of an inference request.

    Args:
        body: JSON, and the tensors' bytes behind it if ``json_length`` says so.
        json_length: Value of ``Inference-Header-Content-Length``; None: all is JSON.
        memory: The regions of shared memory that the caller may use; None: the operator has not allowed any.

    Raises:
        MalformedInput: The bytes are not such a request.
        Unsupported: It asks for something that this server does not do.
    """
    if json_length is not None and not 0 < json_length <= len(body):
        raise MalformedInput(
            "header 'Inference-Header-Content-Length'", f"{json_length}; the body has {len(body)} bytes"
        )
    try:
        parsed = _decode_request(body if json_length is None else memoryview(body)[:json_length])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedInput("body", str(error)) from None
    except RecursionError:
        raise MalformedInput("body", "nested too deeply") from None
    head = body if json_length is None else memoryview(body)[:json_length]
    refuse_double_keys(head, 1 + extra_keys(parsed) + sum(map(_tensor_keys, parsed.inputs)))
    tail = memoryview(b"") if json_length is None else memoryview(body)[json_length:]
    wire = WireRequest(InferRequest(read_tensors(parsed.inputs, tail, memory=memory)), parsed.id)
    finish_request(wire, parsed.parameters, parsed.outputs)
    return wire


def finish_request(wire: WireRequest, parameters: dict[str, Any], outputs: list[JsonWanted]) -> None:
    """Take over what a request says besides its tensors.

    Raises:
        MalformedInput: A parameter is wrong.
        Unsupported: It asks for something that this server does not do.
    """
    if parameters:
        apply_parameters(wire, parameters)
    if outputs:
        wire.outputs = tuple(item.name for item in outputs)
        if len(set(wire.outputs)) < len(outputs):
            raise MalformedInput("outputs", f"{list(wire.outputs)[:8]}; name each wanted output once")
        wire.binary = frozenset(
            item.name
            for item in outputs
            if truth_of(f"'binary_data' of output '{item.name}'", item.parameters.get("binary_data", False))
        )
        place_outputs(wire, [(item.name, item.parameters) for item in outputs])


def extra_keys(parsed: Any) -> int:
    """Count the keys that a request surely has besides its tensors'.

    Args:
        parsed: A `JsonRequest` or one with the same fields.
    """
    keys = 1 if parsed.id else 0
    if parsed.parameters:
        keys += 1 + len(parsed.parameters)
    if parsed.outputs:
        keys += 1 + sum(1 + (1 + len(item.parameters) if item.parameters else 0) for item in parsed.outputs)
    return keys


def _tensor_keys(tensor: JsonTensor) -> int:
    # colons within the data stand in strings: nothing else than lists of strings or numbers is taken there
    data = 0 if tensor.data is msgspec.UNSET else 1 + bytes(tensor.data).count(b":")
    return 3 + data + (1 + len(tensor.parameters) if tensor.parameters else 0)


def decode_raw(body: bytes | memoryview, signature: Signature) -> WireRequest:
    """Read a body that is the bytes of the model's only input (``Inference-Header-Content-Length: 0``).

    Raises:
        MalformedInput: The model has several inputs, or the bytes do not make up whole rows.
    """
    if len(signature.inputs) != 1:
        raise MalformedInput("body", f"raw bytes need a model of one input; this one has {len(signature.inputs)}")
    tensor = signature.inputs[0]
    free = tensor.shape.count(-1)
    if tensor.datatype == BYTES:
        array = np.empty(1, dtype=object)
        array[0] = bytes(body)
        return WireRequest(InferRequest({tensor.name: array.reshape([1] * len(tensor.shape))}), binary_default=True)
    fixed = tensor.dtype.itemsize
    for size in tensor.shape:
        fixed *= 1 if size == -1 else size
    if free > 1 or len(body) % max(fixed, 1):
        raise MalformedInput("body", f"{len(body)} bytes do not make up {tensor.datatype} {tensor.shape}")
    shape = tuple(len(body) // fixed if size == -1 else size for size in tensor.shape)
    return WireRequest(
        InferRequest({tensor.name: from_bytes(tensor.name, tensor.datatype, shape, body)}), binary_default=True
    )


def encode_result(result: InferResult, wire: WireRequest) -> tuple[list[bytes | memoryview], int | None]:
    """Write an answer as its request wants it.

    Returns:
        The pieces of the body, and the length of the JSON (bytes) if binary tensors follow it.

    Raises:
        Unsupported: Bytes that are no UTF-8 text, NaN or infinity were asked for as JSON.
    """
    outputs: list[JsonOutput] = []
    chunks: list[bytes | memoryview] = []
    for name in wire.outputs or result.outputs:
        array = result.outputs[name]
        datatype = DATATYPE_NAMES[array.dtype]
        if wire.targets is not None and name in wire.targets:
            told = put_shared(wire, name, to_bytes(array))
            outputs.append(JsonOutput(name, datatype, array.shape, parameters=told))
        elif wire.binary_default or name in wire.binary:
            chunk = seen_as_bytes(array)
            chunks.append(chunk)
            outputs.append(JsonOutput(name, datatype, array.shape, parameters={"binary_data_size": len(chunk)}))
        else:
            outputs.append(JsonOutput(name, datatype, array.shape, json_data(name, array)))
    head = _encode(JsonResponse(result.model, result.version, outputs, wire.id))
    if b"null" in head:
        _refuse_nonfinite(outputs)
    return [head, *chunks], len(head) if chunks else None


def _refuse_nonfinite(outputs: list[JsonOutput]) -> None:
    """JSON has no NaN and no infinity; a null in their place would be taken for a missing value.

    Raises:
        Unsupported: There are some.
    """
    for output in outputs:
        items = output.data if isinstance(output.data, list) else ()
        if any(isinstance(item, float) and not isfinite(item) for item in items):
            raise Unsupported(
                f"NaN or infinity in output '{output.name}' as JSON", 'ask for it with "binary_data": true'
            )


def json_data(name: str, array: np.ndarray) -> list[Any]:
    """List an array's elements in row-major order, byte strings as text.

    Raises:
        Unsupported: Byte strings that are no UTF-8 text.
    """
    items: list[Any] = array.ravel().tolist()
    if array.dtype.kind != "O":
        return items
    try:
        return [item.decode() if isinstance(item, bytes) else item for item in items]
    except UnicodeDecodeError:
        raise Unsupported(
            f"output '{name}' as JSON", 'it is no UTF-8 text; ask for it with "binary_data": true'
        ) from None


def array_from_json(name: str, datatype: str, shape: tuple[int, ...], data: msgspec.Raw | bytes) -> np.ndarray:
    """Build an array from JSON, flat or nested.

    Raises:
        MalformedInput: An element has the wrong type or is out of range, or the number of elements is another.
    """
    dtype = numpy_type(name, datatype)
    count = check_shape(name, shape)
    text = bytes(data)
    try:
        items = _decoder(dtype.kind, _depth(text)).decode(text)
        with np.errstate(over="ignore"):  # to infinity, which is refused where inputs are validated
            array = _byte_strings(items) if datatype == BYTES else np.array(items, dtype=dtype)
    except (msgspec.DecodeError, ValueError, OverflowError, RecursionError) as error:
        raise MalformedInput(f"data of '{name}'", f"not {datatype}: {error}") from None
    if array.size != count:
        raise MalformedInput(f"data of '{name}'", f"{array.size} elements; shape {list(shape)} takes {count}")
    if array.ndim > 1 and array.shape != shape:
        raise MalformedInput(f"data of '{name}'", f"nested as {list(array.shape)}; its shape says {list(shape)}")
    return array.reshape(shape)


def read_tensors(
    tensors: list[JsonTensor], tail: memoryview, role: str = "input", memory: Memory | None = None
) -> dict[str, np.ndarray]:
    """Build the arrays of a request or an answer.

    Args:
        tensors: Their descriptions, with the data of those that are JSON.
        tail: The bytes of the others, one after the other.
        role: What to call them in an error.
        memory: Holds the data of those that lie in shared memory; None: the operator has not allowed any.

    Raises:
        MalformedInput: A tensor is given twice, or its data do not make it up.
    """
    arrays: dict[str, np.ndarray] = {}
    offset = 0
    for item in tensors:
        name = item.name
        if name in arrays:
            raise MalformedInput(f"{role} '{name}'", "given twice")
        if item.data is not msgspec.UNSET:
            for other in ("binary_data_size", REGION):
                if other in item.parameters:
                    raise MalformedInput(f"{role} '{name}'", f"has both 'data' and '{other}'; send one of them")
            arrays[name] = array_from_json(name, item.datatype, item.shape, item.data)
            continue
        if item.parameters and (place := place_of(f"{role} '{name}'", item.parameters)) is not None:
            arrays[name] = from_bytes(name, item.datatype, item.shape, read_place(place, memory))
            continue
        size = item.parameters.get("binary_data_size")
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= len(tail) - offset:
            given = f"{size!r} with {len(tail) - offset} bytes left in the body"
            raise MalformedInput(f"{role} '{name}'", f"has no 'data', and 'binary_data_size' is {given}")
        arrays[name] = from_bytes(name, item.datatype, item.shape, tail[offset : offset + size])
        offset += size
    if offset != len(tail):
        raise MalformedInput("body", f"{len(tail) - offset} bytes belong to no {role}")
    return arrays


def _decoder(kind: str, depth: int) -> msgspec.json.Decoder[Any]:
    decoder = _decoders.get((kind, depth))
    if decoder is None:
        nested: Any = _ELEMENTS[kind]
        for _ in range(depth):
            nested = list[nested]
        decoder = _decoders[kind, depth] = msgspec.json.Decoder(nested)
    return decoder


def _depth(text: bytes) -> int:
    """Count the brackets that open nested lists; at least 1, at most what a tensor may have."""
    depth = 0
    for byte in text[:256]:
        if byte == 0x5B:
            depth += 1
        elif byte not in b" \t\r\n":
            break
    return min(max(depth, 1), 32)


def _byte_strings(items: list[Any]) -> np.ndarray:
    """Make an array [...] of bytes out of nested lists of text.

    Raises:
        ValueError: Lists beside each other differ in length.
    """
    shape: list[int] = []
    level = items
    while True:
        shape.append(len(level))
        if not level or not isinstance(level[0], list):
            break
        if len({len(inner) for inner in level}) > 1:
            raise ValueError("lists of different lengths")
        level = [item for inner in level for item in inner]
    array = np.empty(len(level), dtype=object)
    array[:] = [item.encode() for item in level]
    return array.reshape(shape)
