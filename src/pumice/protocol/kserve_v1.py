"""KServe v1 and TensorFlow Serving REST: rows of instances, or columns of inputs, as plain JSON.

Sources: KServe "V1 Inference Protocol"; TensorFlow Serving "RESTful API", predict.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from pumice.domain.datatypes import BYTES
from pumice.domain.errors import MalformedInput, SignatureMismatch
from pumice.domain.model import Parameter
from pumice.domain.signature import Signature
from pumice.protocol.json_keys import refuse_double_keys
from pumice.protocol.oip.types import parameter_of

SIGNATURE_NAME = "serving_default"
"""The only value that TensorFlow Serving's ``signature_name`` may have here."""


class PredictRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The body of ``:predict``; exactly one of ``instances`` and ``inputs``.

    Attributes:
        instances: Rows: values for a model of one input, or mappings by input name.
        inputs: Columns: a whole tensor by input name, or the one input's tensor.
        parameters: The model's own parameters.
        signature_name: As TensorFlow Serving has it; only ``serving_default`` is there.
    """

    instances: list[Any] | msgspec.UnsetType = msgspec.UNSET
    inputs: dict[str, Any] | list[Any] | msgspec.UnsetType = msgspec.UNSET
    parameters: dict[str, Parameter] = {}
    signature_name: str | None = None


class Predictions(msgspec.Struct):
    """The answer to rows: for every instance a value, or a mapping by output name."""

    predictions: list[Any]


class Explanations(msgspec.Struct):
    """The answer to ``:explain``: for every row a mapping by name, or the whole tensors by name for columns."""

    explanations: Any


class Outputs(msgspec.Struct):
    """The answer to columns: a whole tensor by output name, or the one output's tensor."""

    outputs: Any


@dataclass(slots=True)
class Call:
    """A decoded request.

    Attributes:
        inputs: Tensors by name, of the signature's datatypes; their shapes are not checked yet.
        parameters: The model's own parameters.
        by_row: Whether rows came (and rows are to be answered) rather than columns.
    """

    inputs: dict[str, np.ndarray]
    parameters: dict[str, Parameter]
    by_row: bool


_decode = msgspec.json.Decoder(PredictRequest).decode
_encode = msgspec.json.Encoder().encode


def decode_predict(body: bytes, model: str, signature: Signature) -> Call:
    """Read the body of ``:predict``.

    A model whose rows cannot be joined (a first axis that is not free) takes one instance, which is the whole input.

    Args:
        body: JSON.
        model: Name of the model, for the messages.
        signature: What the model takes.

    Raises:
        MalformedInput: It is not such a request.
        SignatureMismatch: Values are of another kind than the inputs, rows differ in shape, or names do not fit.
    """
    try:
        request = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedInput("body", str(error)) from None
    except RecursionError:
        raise MalformedInput("body", "nested too deeply") from None
    given = (request.instances, request.inputs, request.parameters or msgspec.UNSET)
    refuse_double_keys(body, len(given) - given.count(msgspec.UNSET) + len(request.parameters))
    for key, value in request.parameters.items():
        parameter_of(key, value)
    if request.signature_name not in (None, "", SIGNATURE_NAME):
        raise MalformedInput("'signature_name'", f"'{request.signature_name}'; there is only '{SIGNATURE_NAME}'")
    reader = _Reader(model, signature)
    if request.instances is msgspec.UNSET:
        if request.inputs is msgspec.UNSET:
            raise MalformedInput("body", "has neither 'instances' (rows) nor 'inputs' (columns)")
        return Call(reader.columns(request.inputs), request.parameters, by_row=False)
    if request.inputs is not msgspec.UNSET:
        raise MalformedInput("body", "has both 'instances' and 'inputs'; send one of them")
    return Call(reader.rows(request.instances), request.parameters, by_row=True)


def encode_answer(outputs: Mapping[str, np.ndarray], signature: Signature, *, by_row: bool) -> bytes:
    """Write ``{"predictions": …}`` or ``{"outputs": …}``.

    Args:
        outputs: Tensors by name, in the order of the answer.
        signature: What the model gives; tells whether the first axis of the outputs counts the rows.
        by_row: As in the request's `Call`.

    Returns:
        JSON; NaN and infinity are ``null``, byte strings that are no UTF-8 text are ``{"b64": …}``.
    """
    values = {name: listed(array) for name, array in outputs.items()}
    if not by_row:
        return _encode(Outputs(_single(values)))
    if not signature.batchable:
        return _encode(Predictions([_single(values)]))
    if len(values) == 1:
        return _encode(Predictions(next(iter(values.values()))))
    names = list(values)
    return _encode(Predictions([dict(zip(names, row, strict=True)) for row in zip(*values.values(), strict=True)]))


def encode_explanations(told: Mapping[str, np.ndarray], signature: Signature, *, by_row: bool) -> bytes:
    """Write ``{"explanations": …}``; arguments and values as for `encode_answer`."""
    values = {name: listed(array) for name, array in told.items()}
    if not by_row:
        return _encode(Explanations(values))
    if not signature.batchable:
        return _encode(Explanations([values]))
    names = list(values)
    return _encode(Explanations([dict(zip(names, row, strict=True)) for row in zip(*values.values(), strict=True)]))


def _single(values: dict[str, Any]) -> object:
    return next(iter(values.values())) if len(values) == 1 else values


def listed(array: np.ndarray) -> Any:
    """Return nested lists of an array; byte strings are text where they are UTF-8, else ``{"b64": …}``."""
    values = array.tolist()
    return _text(values) if array.dtype.kind in "OSU" else values


def _text(value: Any) -> Any:
    if isinstance(value, list):
        return [_text(item) for item in value]
    if not isinstance(value, bytes):
        return str(value)
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"b64": b64encode(value).decode()}


class _B64(msgspec.Struct, forbid_unknown_fields=True):
    b64: str


_ELEMENTS: Mapping[str, Any] = {"b": bool, "i": int, "u": int, "f": float, "O": str | _B64}


class _Reader:
    """Turns JSON values into the inputs of one signature."""

    def __init__(self, model: str, signature: Signature) -> None:
        self._model = model
        self._batchable = signature.batchable
        self._tensors = {tensor.name: tensor for tensor in signature.inputs}

    def rows(self, instances: list[Any]) -> dict[str, np.ndarray]:
        if not instances:
            raise self._mismatch("'instances'", "an empty list", "at least 1 instance")
        columns = self._transposed(instances)
        if self._batchable:
            return {name: self._array(name, column) for name, column in columns.items()}
        if len(instances) > 1:
            given = f"{len(instances)} instances"
            raise self._mismatch("'instances'", given, "1 instance, as this model does not join rows")
        return {name: self._array(name, column[0]) for name, column in columns.items()}

    def columns(self, inputs: dict[str, Any] | list[Any]) -> dict[str, np.ndarray]:
        named = inputs if isinstance(inputs, dict) and not _is_b64(inputs) else {self._only_name("'inputs'"): inputs}
        return {name: self._array(name, value) for name, value in named.items()}

    def _transposed(self, instances: list[Any]) -> dict[str, list[Any]]:
        names = _names(instances[0])
        if names is None:
            return {self._only_name("'instances'"): instances}
        for index, instance in enumerate(instances):
            if _names(instance) != names:
                given = f"other names than the first instance's {sorted(names)}"
                raise self._mismatch(f"'instances[{index}]'", given, "instances that all name the same inputs")
        return {name: [instance[name] for instance in instances] for name in names}

    def _only_name(self, what: str) -> str:
        if len(self._tensors) != 1:
            raise self._mismatch(what, "values without a name", f"a mapping with the names {sorted(self._tensors)}")
        return next(iter(self._tensors))

    def _array(self, name: str, value: object) -> np.ndarray:
        tensor = self._tensors.get(name)
        if tensor is None:
            raise self._mismatch(f"input '{name}'", "an unknown name", f"the names {sorted(self._tensors)}")
        nested: Any = _ELEMENTS[tensor.dtype.kind]
        for _ in tensor.shape:
            nested = list[nested]
        try:
            items = msgspec.convert(value, nested)
            # numbers too large for FP16 or FP32 become infinity, which is looked for where inputs are validated
            with np.errstate(over="ignore"):
                array = np.array(items, dtype=tensor.dtype)
        except (ValueError, OverflowError) as error:  # msgspec.ValidationError is a ValueError
            raise self._mismatch(f"input '{name}'", f"JSON that does not fit ({error})", str(tensor)) from None
        if array.ndim != len(tensor.shape):
            raise self._mismatch(f"input '{name}'", "lists of different lengths or depths", str(tensor))
        return _bytes_of(name, array) if tensor.datatype == BYTES else array

    def _mismatch(self, what: str, given: str, allowed: str) -> SignatureMismatch:
        return SignatureMismatch(self._model, what, given, allowed)


def _is_b64(value: object) -> bool:
    return isinstance(value, dict) and value.keys() == {"b64"}


def _names(instance: object) -> set[str] | None:
    """The names that an instance gives to its values, or None where it is a bare value."""
    return set(instance) if isinstance(instance, dict) and not _is_b64(instance) else None


def _bytes_of(name: str, array: np.ndarray) -> np.ndarray:
    flat = np.empty(array.size, dtype=object)
    try:
        flat[:] = [_octets(item) for item in array.ravel().tolist()]
    except ValueError as error:
        raise MalformedInput(f"input '{name}'", f"'b64' is not base64: {error}") from None
    return flat.reshape(array.shape)


def _octets(item: str | _B64) -> bytes:
    return item.encode() if isinstance(item, str) else b64decode(item.b64, validate=True)
