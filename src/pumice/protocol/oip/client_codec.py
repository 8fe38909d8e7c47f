"""The caller's side of the Open Inference Protocol: writes requests, reads answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from pumice.domain.datatypes import BYTES, NUMPY_TYPES, datatype_of
from pumice.domain.errors import MalformedInput, SignatureMismatch, Unsupported
from pumice.domain.model import Parameter
from pumice.protocol.oip.json_codec import JsonTensor, read_tensors
from pumice.protocol.oip.tensors import to_bytes


class JsonInput(msgspec.Struct, omit_defaults=True):
    """An input tensor that goes; ``data`` is absent when its bytes follow the JSON."""

    name: str
    shape: tuple[int, ...]
    datatype: str
    data: list[Any] | msgspec.UnsetType = msgspec.UNSET
    parameters: dict[str, int] = {}


class _Wanted(msgspec.Struct):
    name: str


class _Request(msgspec.Struct, omit_defaults=True):
    inputs: list[JsonInput]
    id: str = ""
    parameters: dict[str, Parameter] = {}
    outputs: list[_Wanted] = []


class _Answer(msgspec.Struct):
    model_name: str
    outputs: list[JsonTensor]
    model_version: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """What goes into a request besides its inputs.

    Attributes:
        id: The caller's id, or an empty string.
        parameters: Of the protocol and of the model.
        outputs: Names of the wanted outputs; empty: all.
        binary: Tensors go, and come back, as bytes behind the JSON.
        parts: The answer comes in parts, whose tensors are JSON.
    """

    id: str = ""
    parameters: Mapping[str, Parameter] | None = None
    outputs: Sequence[str] = ()
    binary: bool = True
    parts: bool = False


@dataclass(frozen=True, slots=True)
class Answered:
    """A decoded answer.

    Attributes:
        outputs: Tensors by name; ``BYTES`` are object arrays of bytes, numbers may be read-only views.
        model: Name of the model.
        version: The version that answered, or an empty string.
        id: The caller's id.
    """

    outputs: dict[str, np.ndarray]
    model: str
    version: str
    id: str


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Answer).decode


def wire_array(model: str, name: str, value: object) -> np.ndarray:
    """Turn what a caller gives into an array that the protocol can carry.

    Args:
        model: Name of the model, for the error.
        name: Name of the input, for the error.
        value: An array or nested sequences; ``str`` and ``bytes`` elements become object arrays of bytes.

    Raises:
        SignatureMismatch: The protocol has no datatype for it.
    """
    try:
        array = _array(value)
    except ValueError as error:
        raise SignatureMismatch(model, f"input '{name}'", str(error), "rows of one length") from None
    if array.dtype.kind in "SUO":
        return _byte_strings(model, name, value, array)
    native = array.dtype.newbyteorder("=")
    try:
        datatype = datatype_of(np.empty(0, native))
    except KeyError:
        given = f"numpy type {array.dtype}"
        raise SignatureMismatch(model, f"input '{name}'", given, ", ".join(NUMPY_TYPES)) from None
    return array.astype(NUMPY_TYPES[datatype], copy=False)


def encode_infer(inputs: Mapping[str, np.ndarray], asked: Asked) -> tuple[bytes, int | None]:
    """Write the body of an inference request.

    Args:
        inputs: Arrays as `wire_array` makes them.
        asked: What goes with them.

    Returns:
        The body, and the length of its JSON (bytes) if tensors follow it.

    Raises:
        Unsupported: Bytes that are no UTF-8 text cannot go as JSON.
    """
    parameters = dict(asked.parameters or {})
    chunks: list[bytes] = []
    if asked.binary:
        tensors = []
        for name, array in inputs.items():
            chunk = to_bytes(array)
            chunks.append(chunk)
            tensors.append(
                JsonInput(name, array.shape, datatype_of(array), parameters={"binary_data_size": len(chunk)})
            )
    else:
        tensors = json_inputs(inputs)
    if asked.binary and not asked.parts:
        parameters["binary_data_output"] = True
    head = _encode(_Request(tensors, asked.id, parameters, [_Wanted(name) for name in asked.outputs]))
    return b"".join([head, *chunks]), len(head) if chunks else None


def json_inputs(inputs: Mapping[str, np.ndarray]) -> list[JsonInput]:
    """Describe tensors with their data as JSON.

    Raises:
        Unsupported: Bytes that are no UTF-8 text.
    """
    return [JsonInput(name, a.shape, datatype_of(a), _json_elements(name, a)) for name, a in inputs.items()]


def decode_answer(body: bytes, json_length: int | None) -> Answered:
    """Read the body of an answer.

    Args:
        body: JSON, and the tensors' bytes behind it if ``json_length`` says so.
        json_length: Value of ``Inference-Header-Content-Length``; None: all is JSON.

    Raises:
        MalformedInput: It is no such answer.
    """
    length = len(body) if json_length is None else json_length
    if not 0 <= length <= len(body):
        raise MalformedInput("header 'Inference-Header-Content-Length'", f"{length}; the body has {len(body)} bytes")
    view = memoryview(body)
    try:
        answer = _decode(view[:length])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedInput("body", str(error)) from None
    outputs = read_tensors(answer.outputs, view[length:], "output")
    return Answered(outputs, answer.model_name, answer.model_version, answer.id)


def decode_tensors(data: bytes, role: str = "output") -> dict[str, np.ndarray]:
    """Read a JSON list of tensors.

    Args:
        data: The list.
        role: What to call a tensor in an error.

    Raises:
        MalformedInput: It is none.
    """
    try:
        tensors = msgspec.json.decode(data, type=list[JsonTensor])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedInput(f"list of {role}s", str(error)) from None
    return read_tensors(tensors, memoryview(b""), role)


def _array(value: object) -> np.ndarray:
    try:
        return np.asarray(value)
    except ValueError:  # sequences of unequal lengths, or str beside bytes that are not ASCII
        return np.asarray(value, dtype=object)


def _byte_strings(model: str, name: str, value: object, array: np.ndarray) -> np.ndarray:
    # numpy's fixed-width types drop zero bytes at the end of an element: start from the elements as they were given
    elements = array if isinstance(value, np.ndarray) else np.asarray(value, dtype=object)
    items = elements.ravel().tolist()
    strange = [type(item).__name__ for item in items if not isinstance(item, str | bytes)]
    if strange:
        given = f"an element of type {strange[0]}"
        raise SignatureMismatch(model, f"input '{name}'", given, f"numbers of one type, or str and bytes ({BYTES})")
    flat = np.empty(len(items), dtype=object)
    flat[:] = [item.encode() if isinstance(item, str) else item for item in items]
    return flat.reshape(elements.shape)


def _json_elements(name: str, array: np.ndarray) -> list[Any]:
    items: list[Any] = array.ravel().tolist()
    if array.dtype.kind != "O":
        return items
    try:
        return [item.decode() for item in items]
    except UnicodeDecodeError:
        raise Unsupported(f"input '{name}' as JSON", "it is no UTF-8 text; send it with binary=True") from None
