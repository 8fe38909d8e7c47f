"""Where an ONNX file keeps its weights, read from its bytes before ONNX Runtime opens it.

Weights may lie in files that the graph names: in initializers, sparse ones, attributes, subgraphs, functions and
training graphs. A name that leads out of the model's folder would let a model read any file of the machine. The
protobuf is walked here, field by field (https://protobuf.dev/programming-guides/encoding), and what is inside raw
weights is skipped; so it needs no library and takes as long as the graph is large, not the weights.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping
from pathlib import Path

from pumice.domain.errors import BadArtefact

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
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
_TENSOR_NAME, _EXTERNAL_DATA, _DATA_LOCATION = 8, 13, 14
_NODE_OP_TYPE = 4
_EXTERNAL = 1


def check_external_data(path: Path) -> frozenset[str]:
    """Check that all weights of an ONNX file lie in it or in files of its folder, whole.

    Args:
        path: The file; one in ONNX Runtime's own format (`.ort`) has all in it.

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
            walk = _Walk(path, data)
            if not (path.name.endswith(".ort") and data[_ORT_FORMAT] == _ORT_MAGIC):
                walk.message("ModelProto", 0, len(data), 0)
            return frozenset(walk.locations)
    except OSError as error:
        raise BadArtefact(str(path), f"it cannot be read: {error.strerror}", "mend its path or permissions") from None


class _Walk:
    def __init__(self, path: Path, data: mmap.mmap) -> None:
        self._path = path
        self._data = data
        self._folder = path.parent.resolve()
        self.locations: set[str] = set()

    def message(self, kind: str, start: int, end: int, depth: int) -> None:
        """Look at the tensors in a message and in those inside it."""
        if depth > _DEEPEST:
            raise self._broken(f"graphs nested more than {_DEEPEST} deep")
        inner = _FIELDS[kind]
        for number, low, high in self._submessages(start, end):
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
        for number, wire, low, high in self._fields(start, end):
            if number == _EXTERNAL_DATA and wire == _BYTES:
                external = True
                key, value = self._entry(low, high)
                entries[key] = value
            elif number == _DATA_LOCATION and wire == _VARINT:
                external = external or self._varint(low, high)[0] == _EXTERNAL
            elif number == _TENSOR_NAME and wire == _BYTES:
                name = self._text(low, high)
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
        if not target.resolve().is_relative_to(self._folder):
            return "a link that leads out of the model's folder"
        if not target.is_file():
            return "which is not there"
        numbers = [entries.get("offset", "0") or "0", entries.get("length", "0") or "0"]
        if not all(number.isascii() and number.isdigit() for number in numbers):
            return f"at a place that is no number ({numbers[0]}, {numbers[1]})"
        wanted, size = sum(map(int, numbers)), target.stat().st_size
        return f"which has {size} bytes where {wanted} are needed" if wanted > size else ""

    def _entry(self, start: int, end: int) -> tuple[str, str]:
        texts = {number: self._text(low, high) for number, low, high in self._submessages(start, end)}
        return texts.get(1, ""), texts.get(2, "")

    def _text(self, start: int, end: int) -> str:
        return self._data[start:end].decode(errors="replace")

    def _submessages(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """Number, start and end of each field of bytes: messages and texts."""
        return ((number, low, high) for number, wire, low, high in self._fields(start, end) if wire == _BYTES)

    def _fields(self, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
        """Number, wire type, start and end of the value of each field."""
        place = start
        while place < end:
            key, place = self._varint(place, end)
            number, wire = key >> 3, key & 7
            if wire == _VARINT:
                low = place
                _, place = self._varint(place, end)
            elif wire in (_FIXED64, _FIXED32):
                low, place = place, place + (8 if wire == _FIXED64 else 4)
            elif wire == _BYTES:
                length, low = self._varint(place, end)
                place = low + length
            else:
                raise self._broken(f"wire type {wire}")
            if place > end or not number:
                raise self._broken(f"field {number} goes beyond its end" if number else "field 0")
            yield number, wire, low, place

    def _varint(self, start: int, end: int) -> tuple[int, int]:
        """A number, and where it ends."""
        value = shift = 0
        for place in range(start, min(start + 10, end)):
            byte = self._data[place]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, place + 1
            shift += 7
        raise self._broken("a number without end")

    def _broken(self, problem: str) -> BadArtefact:
        return BadArtefact(str(self._path), f"it is no ONNX file ({problem})", "export it again")
