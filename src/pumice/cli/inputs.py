"""Reads what a user gives as INPUT: a text, or a file that is known by its suffix."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np

from pumice.domain.errors import BadSetting, MalformedInput
from pumice.protocol.oip.client_codec import decode_tensors

IMAGES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"})
"""Suffixes of image files."""

_FORMS = "a text, - for standard input, or a file: .json, .npz, .npy, .txt (a text a line), or an image"


@dataclass(frozen=True, slots=True)
class Given:
    """What was given; one of the two is empty.

    Attributes:
        items: One entry an item: a text, the bytes of an image, a row of a tensor.
        tensors: Arrays, or nested lists of elements, by the names of the model's inputs.
    """

    items: list[Any] = field(default_factory=list)
    tensors: Mapping[str, Any] = field(default_factory=dict)


def read_input(text: str, stdin: BinaryIO) -> Given:
    """Find out what an INPUT is and read it.

    Args:
        text: As it stands on the command line.
        stdin: Read when it is ``-``.

    Raises:
        BadSetting: There is no such file, or it cannot be read as what its suffix says.
    """
    reader = _reader(text, stdin)
    if reader is None:
        return Given([text])
    try:
        return reader(Path(text))
    except (OSError, ValueError, zipfile.BadZipFile, EOFError, MalformedInput) as error:
        raise BadSetting("INPUT", repr(text), f"{_FORMS} ({error})") from None


def _reader(text: str, stdin: BinaryIO) -> Callable[[Path], Given] | None:
    if text == "-":
        return lambda _: _stream(stdin.read())
    suffix = "" if "\n" in text else Path(text).suffix.lower()
    return _image if suffix in IMAGES else _READERS.get(suffix)


def _stream(data: bytes) -> Given:
    return _json(data) if data.lstrip()[:1] in (b"{", b"[") else _lines(data)


def _json(data: bytes) -> Given:
    """Read OIP ``{"inputs": […]}``, KServe ``{"instances": […]}`` or ``{"inputs": {…}}``, or a list of items."""
    try:
        body: Any = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedInput("JSON", str(error)) from None
    if isinstance(body, dict):
        body = body.get("inputs", body.get("instances"))
    if isinstance(body, dict) and body:
        return Given(tensors=body)
    if not isinstance(body, list) or not body:
        raise MalformedInput("JSON", 'expected {"inputs": …}, {"instances": […]} or a list of items')
    if all(isinstance(item, dict) for item in body):
        return _tensors(body)
    return Given(body)


def _tensors(entries: list[dict[str, Any]]) -> Given:
    if all("datatype" in entry for entry in entries):
        return Given(tensors=decode_tensors(msgspec.json.encode(entries), "input"))
    if any(entry.keys() != entries[0].keys() for entry in entries):
        raise MalformedInput("JSON", "the instances have different names")
    return Given(tensors={name: [entry[name] for entry in entries] for name in entries[0]})


def _lines(data: bytes) -> Given:
    return Given([line for line in data.decode().splitlines() if line.strip()])


def _arrays(path: Path) -> Given:
    with np.load(path, allow_pickle=False) as archive:
        return Given(tensors=dict(archive))


def _rows(path: Path) -> Given:
    array = np.load(path, allow_pickle=False)
    return Given(list(array) if array.ndim else [array])


def _image(path: Path) -> Given:
    return Given([path.read_bytes()])


_READERS: Mapping[str, Callable[[Path], Given]] = {
    ".json": lambda path: _json(path.read_bytes()),
    ".txt": lambda path: _lines(path.read_bytes()),
    ".npz": _arrays,
    ".npy": _rows,
}
