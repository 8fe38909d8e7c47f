"""ONNX Runtime over weights that are memory files: it reads the large ones where they lie.

It opens no file with weights that is a link out of the model's folder, and what it is given as files in memory it
copies. So large weights are handed over one by one, as initializers that it shares with us. It wants to see their files
all the same, and gets a folder in which files of their names are empty. Most graphs need no more. Where an optimizer
wants to compute with a large weight, it finds the file too short and refuses; then ONNX Runtime gets copies.
"""

from __future__ import annotations

import math
import mmap
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pumice.engines.onnx.refusals import runtime_errors
from pumice.engines.safety.onnx import OuterWeight, outer_weights

_SMALL = 64 * 1024
"""Weights up to this length (bytes) are copied: constants are among them, and with those optimizers do compute."""

_FATAL_ONLY = 4
_CPU = "CPUExecutionProvider"

# the values of TensorProto.DataType that NumPy has too
_TYPES: Mapping[int, type[np.generic]] = {
    1: np.float32,
    2: np.uint8,
    3: np.int8,
    4: np.uint16,
    5: np.int16,
    6: np.int32,
    7: np.int64,
    9: np.bool_,
    10: np.float16,
    11: np.float64,
    12: np.uint32,
    13: np.uint64,
}

_Mapped = Mapping[str, mmap.mmap | bytes]


@dataclass(frozen=True, slots=True)
class HeldSession:
    """A session, and what it reads.

    Attributes:
        session: ONNX Runtime's session.
        weights: Memory that it reads; kept as long as the session.
    """

    session: Any
    weights: Sequence[object] = ()


def open_held(
    onnxruntime: Any, path: Path, names: Sequence[str], options: Callable[[], Any], providers: Sequence[tuple[str, Any]]
) -> HeldSession:
    """Make a session of a graph whose weights lie in files that are links to memory.

    Args:
        onnxruntime: The library.
        path: The graph.
        names: The files with weights, as the graph names them.
        options: Makes options of a session, new ones each time.
        providers: As ONNX Runtime takes them.

    Raises:
        Exception: What ONNX Runtime raises.
    """
    maps = {name: _map(path.parent / name) for name in names}
    # another device has memory of its own, and would copy anyway
    shared = _values(onnxruntime, path, maps) if [name for name, _ in providers] == [_CPU] else None
    if shared is not None:
        # whatever it is: if it is not for the empty files, it comes again
        refusals: tuple[type[Exception], ...] = (OSError, *runtime_errors())
        try:
            made = _sharing(options(), shared)
            return HeldSession(_open_beside(onnxruntime, path, names, made, providers), [shared, maps])
        except refusals:
            pass
    made = options()
    # ONNX Runtime looks into the memory until the session is made, and keeps no reference
    made.add_external_initializers_from_files_in_memory(list(maps), list(maps.values()), list(map(len, maps.values())))
    return HeldSession(onnxruntime.InferenceSession(str(path), made, list(providers), enable_fallback=0))


def _map(file: Path) -> mmap.mmap | bytes:
    with file.open("rb") as stream:
        empty = not os.fstat(stream.fileno()).st_size
        return b"" if empty else mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)


def _values(onnxruntime: Any, path: Path, maps: _Mapped) -> dict[str, tuple[Any, int]] | None:
    """Each weight as a value of ONNX Runtime over the memory that it lies in, and its length; None: one is no array."""
    found: dict[str, tuple[Any, int]] = {}
    for weight in outer_weights(path):
        array = _array(weight, maps)
        if array is None:
            return None
        found[weight.name] = (onnxruntime.OrtValue.ortvalue_from_numpy(array), array.nbytes)
    return found


def _array(weight: OuterWeight, maps: _Mapped) -> np.ndarray | None:
    kind = _TYPES.get(weight.kind)
    if kind is None or not all(weight.shape):
        return None
    item = np.dtype(kind).itemsize
    count = math.prod(weight.shape)
    fits = weight.offset + count * item <= len(maps[weight.location]) and weight.length in (0, count * item)
    if weight.offset % item or not fits:
        return None
    return np.frombuffer(maps[weight.location], kind, count, weight.offset).reshape(weight.shape)


def _sharing(made: Any, values: Mapping[str, tuple[Any, int]]) -> Any:
    made.log_severity_level = _FATAL_ONLY  # what goes wrong here is tried again
    small = {name: value for name, (value, length) in values.items() if length <= _SMALL}
    made.add_external_initializers(list(small), list(small.values()))
    for name, (value, length) in values.items():
        if length > _SMALL:
            made.add_initializer(name, value)
    return made


def _open_beside(onnxruntime: Any, path: Path, names: Sequence[str], made: Any, providers: Sequence[Any]) -> Any:
    """Make a session from a folder with empty files for those with weights."""
    with tempfile.TemporaryDirectory(prefix="pumice-names-") as folder:
        graph = Path(folder) / path.name
        graph.symlink_to(path.absolute())
        for name in names:
            place = Path(folder) / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
        return onnxruntime.InferenceSession(str(graph), made, list(providers), enable_fallback=0)
