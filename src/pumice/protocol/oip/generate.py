"""The ``generate`` extension: an inference as one flat JSON object, and its answer, or each part of it, as another.

Source: Triton's ``extension_generate.md``. A key that is the name of an input becomes that tensor, any other a
parameter of the request; both hold for the keys of ``parameters`` too. Outputs of one element are told as a plain
value, others as a flat list.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from pumice.domain.datatypes import BYTES
from pumice.domain.errors import MalformedInput, SignatureMismatch
from pumice.domain.request import InferRequest, InferResult
from pumice.domain.signature import MAX_RANK, Signature, Tensor
from pumice.protocol.json_keys import refuse_double_keys
from pumice.protocol.oip.json_codec import json_data
from pumice.protocol.oip.types import WireRequest, apply_parameters


class GenerateRequest(msgspec.Struct):
    """The body of ``generate`` and ``generate_stream``, as far as it is the same for all models.

    Attributes:
        text_input: A text, for models with an input of this name; other inputs are keys beside it.
        id: The caller's id, echoed in the answer.
        parameters: Inputs or parameters of the request.
    """

    text_input: str = ""
    id: str = ""
    parameters: dict[str, Any] = {}


class GenerateResponse(msgspec.Struct):
    """The answer, or one part of it, as far as it is the same for all models; the outputs are keys beside these.

    Attributes:
        model_name: Name of the model.
        model_version: The version that answered.
        text_output: A text, of models with an output of this name.
    """

    model_name: str
    model_version: str
    text_output: str = ""


_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode
_ELEMENTS: Mapping[str, Any] = {"b": bool, "i": int, "u": int, "f": float, "O": str}


def decode_generate(body: bytes, model: str, signature: Signature) -> WireRequest:
    """Read a body.

    Args:
        body: A JSON object.
        model: Name of the model, for the messages.
        signature: What the model takes.

    Raises:
        MalformedInput: It is no such object.
        SignatureMismatch: A value does not fit the input of its name.
        Unsupported: It belongs to a sequence.
    """
    try:
        told = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedInput("body", str(error)) from None
    refuse_double_keys(body)
    nested = told.pop("parameters", {})
    name = told.pop("id", "")
    if not isinstance(nested, dict) or not isinstance(name, str | int):
        raise MalformedInput("body", "'parameters' must be an object and 'id' a string or a whole number")
    tensors = {tensor.name: tensor for tensor in signature.inputs}
    inputs: dict[str, np.ndarray] = {}
    parameters: dict[str, Any] = {}
    for key, value in (told | nested).items():
        tensor = tensors.get(key)
        if tensor is None:
            parameters[key] = value
        else:
            inputs[key] = _array(model, tensor, value)
    wire = WireRequest(InferRequest(inputs), str(name))
    apply_parameters(wire, parameters)
    return wire


def encode_generated(result: InferResult, request_id: str) -> bytes:
    """Write an answer, or a part of one.

    Raises:
        Unsupported: Bytes that are no UTF-8 text.
    """
    told: dict[str, Any] = {"id": request_id} if request_id else {}
    told |= {"model_name": result.model, "model_version": result.version}
    for name, array in result.outputs.items():
        data = json_data(name, array)
        told[name] = data[0] if len(data) == 1 else data
    return _encode(told)


def _array(model: str, tensor: Tensor, value: object) -> np.ndarray:
    nested: Any = _ELEMENTS[tensor.dtype.kind]
    for _ in range(_depth(value)):
        nested = list[nested]
    try:
        items = msgspec.convert(value, nested)
        if tensor.datatype == BYTES:
            array = np.array(items, dtype=object)
            array = np.array([item.encode() for item in array.ravel()], dtype=object).reshape(array.shape)
        else:
            with np.errstate(over="ignore"):  # infinity is looked for where inputs are validated
                array = np.array(items, dtype=tensor.dtype)
    except (ValueError, OverflowError, AttributeError) as error:
        given = f"JSON that does not fit ({error})"
        raise SignatureMismatch(model, f"input '{tensor.name}'", given, str(tensor)) from None
    # a plain value, or a list, is one row; what is deeper says for itself how many rows it is
    missing = len(tensor.shape) - array.ndim
    return array.reshape((1,) * missing + array.shape) if missing > 0 else array


def _depth(value: object) -> int:
    depth = 0
    while isinstance(value, list) and depth < MAX_RANK:
        depth += 1
        value = value[0] if value else None
    return depth
