"""NumPy arrays of Python objects: numbers and texts in them become plain arrays; anything else is refused."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from pumice.domain.errors import BadArtefact, UnsafeArtefact
from pumice.engines.conversion.result import Converted

_PLAIN = frozenset(
    (
        *("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct", "numpy.ndarray", "numpy.dtype"),
        *("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar", "_codecs.encode"),
    )
)
_ARRAY_ENDING = ".npy"


def to_plain(source: str, out: str, *, target: str) -> Converted:
    """Convert a `.npy` or `.npz` file.

    Args:
        source: The file.
        out: Folder for the result.
        target: Name of the result.

    Raises:
        BadArtefact: It is no such file, or has elements that are neither all numbers nor all texts.
        UnsafeArtefact: It has elements that only code can make.
    """
    file = Path(out) / target
    notes: list[str] = []
    if target.endswith(_ARRAY_ENDING):
        with Path(source).open("rb") as stream:
            arrays = {"": _read(stream, source)}
        np.save(file, _changed(arrays[""], "the array", source, notes), allow_pickle=False)
        again = {"": np.load(file, allow_pickle=False)}
    else:
        arrays = dict(_members(source))
        plain = {name: _changed(array, f"'{name}'", source, notes) for name, array in arrays.items()}
        with file.open("wb") as stream:
            np.savez(stream, **plain)  # type: ignore[arg-type]
        with np.load(file, allow_pickle=False) as loaded:
            again = {name: loaded[name] for name in loaded.files}
    for name, array in arrays.items():
        if array.tolist() != again[name].tolist() and not _same(array, again[name]):
            raise BadArtefact(
                source, f"the array '{name}' does not come back as it was", "save it again where it was made"
            )
    return Converted([target], f"{len(arrays)} arrays, equal element by element", notes, {"numpy": np.__version__})


class _Plain(pickle.Unpickler):
    """Makes arrays of NumPy, and no other object."""

    def find_class(self, module: str, name: str) -> Any:
        if f"{module}.{name}" in _PLAIN:
            return super().find_class(module, name)
        message = f"{module}.{name}"
        raise pickle.UnpicklingError(message)


def _read(stream: IO[bytes], source: str) -> np.ndarray:
    try:
        version = npy.read_magic(stream)
        reader = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = reader(stream)
    except ValueError as error:
        raise BadArtefact(source, f"it is no array of NumPy ({error})", "save it again") from None
    if not dtype.hasobject:
        stream.seek(0)
        plain: np.ndarray = npy.read_array(stream, allow_pickle=False)
        return plain
    try:
        array = _Plain(stream).load()
    except pickle.UnpicklingError as error:
        mend = "save it again where it was made, as numbers or texts"
        raise UnsafeArtefact(source, f"an array with objects that only code can make ({error})", mend) from None
    if not isinstance(array, np.ndarray) or dtype.names:
        raise BadArtefact(source, "it is no plain array of objects", "save its fields one by one")
    return array.reshape(shape, order="F" if fortran else "C")


def _members(source: str) -> Iterator[tuple[str, np.ndarray]]:
    try:
        with zipfile.ZipFile(source) as archive:
            for name in archive.namelist():
                yield name.removesuffix(_ARRAY_ENDING), _read(io.BytesIO(archive.read(name)), source)
    except zipfile.BadZipFile as error:
        raise BadArtefact(source, f"it is no archive of arrays ({error})", "save it again") from None


def _changed(array: np.ndarray, what: str, source: str, notes: list[str]) -> np.ndarray:
    """The array without objects."""
    if array.dtype != object:
        return array
    items = array.ravel().tolist()
    kinds = {type(item) for item in items}
    if kinds <= {bool}:
        plain = np.array(items, bool)
    elif kinds <= {int}:
        plain = np.array(items)
    elif kinds <= {int, float}:
        plain = np.array(items, np.float64)
    elif kinds <= {str} and not any(item.endswith("\0") for item in items):
        plain = np.array(items, np.str_)
    elif kinds <= {np.ndarray} and len({(item.shape, item.dtype) for item in items}) == 1 and items[0].dtype != object:
        plain = np.stack(items)
        notes.append(f"{what}: its arrays have one shape, and are one array now")
        return plain.reshape(*array.shape, *items[0].shape)
    else:
        found = ", ".join(sorted(kind.__name__ for kind in kinds))
        mend = "save it as numbers or texts, with one type for all"
        raise BadArtefact(source, f"{what} has elements that no plain array holds ({found})", mend)
    if plain.dtype == object:
        raise BadArtefact(source, f"{what} has numbers beyond 64 bits", "save them as floating-point numbers")
    notes.append(f"{what}: objects are {plain.dtype} now")
    return plain.reshape(array.shape)


def _same(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether arrays are equal where lists of them cannot tell: NaN, and arrays in arrays."""
    if before.dtype != object:
        return before.dtype == after.dtype and before.tobytes() == after.tobytes()
    pairs = zip(before.ravel(), after.reshape(before.size, -1), strict=True)
    return all(np.array_equal(np.ravel(one), other, equal_nan=np.ravel(one).dtype.kind == "f") for one, other in pairs)
