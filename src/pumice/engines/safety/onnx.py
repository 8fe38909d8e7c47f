"""Where an ONNX file keeps its weights, read from its bytes before ONNX Runtime opens it.

Weights may lie in files that the graph names: in initializers, sparse ones, attributes, subgraphs, functions and
training graphs. A name that leads out of the model's folder would let a model read any file of the machine. The
protobuf is walked field by field, and what is inside raw weights is skipped; so it needs no library and takes as long
as the graph is large, not the weights.
"""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pumice.domain.errors import BadArtefact
from pumice.engines.safety.protobuf import BYTES, VARINT, BrokenMessage, fields, submessages, text, varint

_DEEPEST = 100
_ORT_FORMAT = slice(4, 8)
_ORT_MAGIC = b"ORTM"

# messages of onnx.proto3: field number -> the message in it; fields that lead to no tensor are left out
_TENSOR, _NODE = "TensorProto", "NodeProto"
_FIELDS: Mapping[str, Mapping[int, str]] = {
    "ModelProto": {7: "GraphProto", 20: "TrainingInfoProto", 25: "FunctionProto"},
    "GraphProto": {1: _NODE, 5: _TENSOR, 15: "SparseTensorProto"},
    _NODE: {5: "AttributeProto"},
    "AttributeProto": {
        5: _TENSOR,
        6: "GraphProto",
        10: _TENSOR,
        11: "GraphProto",
        22: "SparseTensorProto",
        23: "SparseTensorProto",
    },
    "FunctionProto": {7: _NODE, 11: "AttributeProto"},
    "TrainingInfoProto": {1: "GraphProto", 2: "GraphProto"},
    "SparseTensorProto": {1: _TENSOR, 2: _TENSOR},
}
_DIMS, _DATA_TYPE = 1, 2
_TENSOR_NAME, _EXTERNAL_DATA, _DATA_LOCATION = 8, 13, 14
_NODE_OP_TYPE = 4
_EXTERNAL = 1


def check_external_data(path: Path, *, held: bool = False) -> frozenset[str]:
    """Check that all weights of an ONNX file lie in it or in files of its folder, whole.

    Args:
        path: The file; one in ONNX Runtime's own format (`.ort`) has all in it.
        held: Its folder has nothing in it but links that the server has made.

    Returns:
        The files with weights, as the graph names them: relative to its folder.

    Raises:
        BadArtefact: A weight's file is named by an absolute path, lies outside of the folder (also through a link),
            is not there or too short; the graph holds a program that another compiler made; or it is no ONNX.
    """
    try:
        if not path.stat().st_size:
            raise BadArtefact(str(path), "it is empty", "copy or export it again")
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            # ONNX Runtime goes by the name too: under another one, the same bytes would be read as a graph
            walk = _Walk(path, data, held=held)
            if not (path.name.endswith(".ort") and data[_ORT_FORMAT] == _ORT_MAGIC):
                walk.message("ModelProto", 0, len(data), 0)
            return frozenset(walk.locations)
    except OSError as error:
        raise BadArtefact(str(path), f"it cannot be read: {error.strerror}", "mend its path or permissions") from None
    except BrokenMessage as error:
        raise BadArtefact(str(path), f"it is no ONNX file ({error})", "export it again") from None


class OuterWeight(NamedTuple):
    """A weight of the outermost graph that lies in a file of its own.

    Attributes:
        name: Its name.
        kind: Its type, as ``TensorProto.DataType`` numbers them.
        shape: Its shape.
        location: The file, relative to the graph's folder.
        offset: Its first byte there.
        length: Its length in bytes, if that is said; or else 0.
    """

    name: str
    kind: int
    shape: tuple[int, ...]
    location: str
    offset: int
    length: int


def outer_weights(path: Path) -> list[OuterWeight]:
    """Say where weights of the outermost graph lie, of a file that `check_external_data` has let pass.

    Raises:
        BrokenMessage: It is no ONNX file.
        OSError: It cannot be read.
    """
    found = []
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for number, low, high in submessages(data, 0, len(data)):
            if _FIELDS["ModelProto"].get(number) == "GraphProto":
                for inner, start, end in submessages(data, low, high):
                    if _FIELDS["GraphProto"].get(inner) == _TENSOR:
                        found.append(_outer(data, start, end))
    return [weight for weight in found if weight is not None]


def _outer(data: mmap.mmap, start: int, end: int) -> OuterWeight | None:
    entries: dict[str, str] = {}
    name, kind, shape = "", 0, []
    for number, wire, low, high in fields(data, start, end):
        if number == _DIMS:
            shape += _numbers(data, low, high) if wire == BYTES else [varint(data, low, high)[0]]
        elif number == _DATA_TYPE and wire == VARINT:
            kind = varint(data, low, high)[0]
        elif number == _TENSOR_NAME and wire == BYTES:
            name = text(data, low, high)
        elif number == _EXTERNAL_DATA and wire == BYTES:
            key, value = _entry(data, low, high)
            entries[key] = value
    if not entries:
        return None
    offset, length = (int(entries.get(key) or "0") for key in ("offset", "length"))
    return OuterWeight(name, kind, tuple(shape), entries.get("location", ""), offset, length)


def _numbers(data: mmap.mmap, start: int, end: int) -> list[int]:
    found = []
    while start < end:
        value, start = varint(data, start, end)
        found.append(value)
    return found


def _entry(data: mmap.mmap, start: int, end: int) -> tuple[str, str]:
    texts = {number: text(data, low, high) for number, low, high in submessages(data, start, end)}
    return texts.get(1, ""), texts.get(2, "")


class _Walk:
    def __init__(self, path: Path, data: mmap.mmap, *, held: bool) -> None:
        self._path = path
        self._held = held
        self._data = data
        self._folder = path.parent.resolve()
        self.locations: set[str] = set()

    def message(self, kind: str, start: int, end: int, depth: int) -> None:
        """Look at the tensors in a message and in those inside it."""
        if depth > _DEEPEST:
            message = f"graphs nested more than {_DEEPEST} deep"
            raise BrokenMessage(message)
        inner = _FIELDS[kind]
        for number, low, high in submessages(self._data, start, end):
            if number in inner:
                if inner[number] == _TENSOR:
                    self._tensor(low, high)
                else:
                    self.message(inner[number], low, high, depth + 1)
            elif kind == _NODE and number == _NODE_OP_TYPE and self._data[low:high] == b"EPContext":
                raise BadArtefact(
                    str(self._path), "it holds a program compiled for one device (EPContext)", "serve the graph itself"
                )

    def _tensor(self, start: int, end: int) -> None:
        entries: dict[str, str] = {}
        name, external = "", False
        for number, wire, low, high in fields(self._data, start, end):
            if number == _EXTERNAL_DATA and wire == BYTES:
                external = True
                key, value = _entry(self._data, low, high)
                entries[key] = value
            elif number == _DATA_LOCATION and wire == VARINT:
                external = external or varint(self._data, low, high)[0] == _EXTERNAL
            elif number == _TENSOR_NAME and wire == BYTES:
                name = text(self._data, low, high)
        if external:
            self._check(name, entries)

    def _check(self, name: str, entries: Mapping[str, str]) -> None:
        location = entries.get("location", "")
        problem = self._problem(location, entries)
        self.locations.add(location)
        if problem:
            mend = "export it again, and keep its weights in the file or in one beside it"
            raise BadArtefact(str(self._path), f"the weights '{name}' are in '{location}', {problem}", mend)

    def _problem(self, location: str, entries: Mapping[str, str]) -> str:
        """What is wrong with the place of a tensor's weights, or nothing."""
        if not location or "\0" in location:
            return "which names no file"
        target = self._folder / location
        if Path(location).is_absolute() or ".." in Path(location).parts:
            return "which leads out of the model's folder"
        if not self._held and not target.resolve().is_relative_to(self._folder):
            return "a link that leads out of the model's folder"
        if not target.is_file():
            return "which is not there"
        numbers = [entries.get("offset", "0") or "0", entries.get("length", "0") or "0"]
        if not all(number.isascii() and number.isdigit() for number in numbers):
            return f"at a place that is no number ({numbers[0]}, {numbers[1]})"
        wanted, size = sum(map(int, numbers)), target.stat().st_size
        return f"which has {size} bytes where {wanted} are needed" if wanted > size else ""
