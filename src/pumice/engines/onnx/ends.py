"""What an ONNX file says of its inputs and outputs, read from its bytes: no weights are loaded, no library is needed.

Field numbers are those of onnx.proto3. ONNX Runtime may know more, since it infers shapes that the file leaves out.
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pumice.domain.errors import BadArtefact
from pumice.engines.onnx.graph import Node
from pumice.engines.safety.protobuf import VARINT, Data, fields, submessages, text, varint

_GRAPH = 7
_INITIALIZER, _INPUT, _OUTPUT = 5, 11, 12
_TENSOR_NAME = 8
_NAME, _TYPE = 1, 2
_TENSOR_TYPE, _OPTIONAL_TYPE = 1, 9
_ELEMENT, _SHAPE = 1, 2
_DIM_VALUE, _DIM_PARAM = 1, 2
_SIGN = 1 << 63
_ELEMENTS = (
    *("", "float", "uint8", "int8", "uint16", "int16", "int32", "int64", "string", "bool"),
    *("float16", "double", "uint32", "uint64", "complex64", "complex128", "bfloat16"),
)


@dataclass
class _End:
    """An input or output, in ONNX Runtime's words."""

    name: str
    type: str
    shape: Sequence[int | str | None]


@dataclass(frozen=True)
class FileEnds:
    """The ends of a graph, as a session would tell them.

    Attributes:
        inputs: Inputs, also those that have a value in the file.
        weights: Names that have a value in the file.
        outputs: Outputs.
    """

    inputs: list[_End]
    weights: frozenset[str]
    outputs: list[_End]

    def get_inputs(self) -> list[Node]:
        """Inputs that have no value in the file."""
        return [end for end in self.inputs if end.name not in self.weights]

    def get_overridable_initializers(self) -> list[Node]:
        """Inputs that have a value in the file."""
        return [end for end in self.inputs if end.name in self.weights]

    def get_outputs(self) -> list[Node]:
        """Outputs."""
        return list(self.outputs)


def read_ends(path: Path) -> FileEnds:
    """Read the ends of the graph in an ONNX file.

    Raises:
        BadArtefact: It is no ONNX file, or cannot be read.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            for number, low, high in submessages(data, 0, len(data)):
                if number == _GRAPH:
                    return _graph(data, low, high)
    except (OSError, ValueError) as error:  # a broken message, or an empty file
        raise BadArtefact(str(path), f"it is no ONNX file ({error})", "export it again") from None
    raise BadArtefact(str(path), "it is no ONNX file (it has no graph)", "export it again")


def _graph(data: Data, start: int, end: int) -> FileEnds:
    inputs, outputs, weights = [], [], set()
    for number, low, high in submessages(data, start, end):
        if number == _INPUT:
            inputs.append(_end(data, low, high))
        elif number == _OUTPUT:
            outputs.append(_end(data, low, high))
        elif number == _INITIALIZER:
            weights.add(_named(data, low, high, _TENSOR_NAME))
    return FileEnds(inputs, frozenset(weights), outputs)


def _end(data: Data, start: int, end: int) -> _End:
    kind = "unknown"
    shape: list[int | str | None] = []
    for number, low, high in submessages(data, start, end):
        if number == _TYPE:
            kind, shape = _type(data, low, high)
    return _End(_named(data, start, end, _NAME), kind, shape)


def _type(data: Data, start: int, end: int) -> tuple[str, list[int | str | None]]:
    for number, low, high in submessages(data, start, end):
        if number == _TENSOR_TYPE:
            return _tensor_type(data, low, high)
        if number == _OPTIONAL_TYPE:
            for _, inner_low, inner_high in submessages(data, low, high):
                kind, shape = _type(data, inner_low, inner_high)
                return f"optional({kind})", shape
    return "something else than a tensor", []


def _tensor_type(data: Data, start: int, end: int) -> tuple[str, list[int | str | None]]:
    element = 0
    shape: list[int | str | None] = []
    for number, wire, low, high in fields(data, start, end):
        if number == _ELEMENT and wire == VARINT:
            element = varint(data, low, high)[0]
        elif number == _SHAPE:
            shape = [_dimension(data, at, to) for _, at, to in submessages(data, low, high)]
    return f"tensor({_ELEMENTS[element] if element < len(_ELEMENTS) else element})", shape


def _dimension(data: Data, start: int, end: int) -> int | str | None:
    for number, wire, low, high in fields(data, start, end):
        if number == _DIM_VALUE and wire == VARINT:
            value = varint(data, low, high)[0]
            return value - 2 * _SIGN if value >= _SIGN else value
        if number == _DIM_PARAM:
            return text(data, low, high) or None
    return None


def _named(data: Data, start: int, end: int, field: int) -> str:
    return next((text(data, low, high) for number, low, high in submessages(data, start, end) if number == field), "")
