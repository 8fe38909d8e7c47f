"""Examples from NPZ: arrays named as the inputs. Nothing in it is unpickled."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from pumice.domain.datatypes import BYTES
from pumice.domain.errors import BadSetting, MalformedInput
from pumice.domain.signature import Tensor
from pumice.optimize.data.content import check_of, checked
from pumice.optimize.data.elements import cast, fits_row, row_shape
from pumice.optimize.data.problems import told_of
from pumice.optimize.data.wanted import LABEL, SLICE, Raw, Wanted

_CHUNK = 1024
_MEMBER = ".npy"
_BROKEN = (OSError, ValueError, EOFError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""What the standard library and numpy raise on archives that are none, are damaged, or are encrypted."""


def read_archive(path: Path, wanted: Wanted) -> Raw:
    """Read an archive.

    Args:
        path: The file.
        wanted: What the model takes.

    Raises:
        BadSetting: It cannot be read, lacks an array, or one does not fit.
    """
    told = told_of(path)
    try:
        # not by numpy.load, which leaves a damaged archive open
        with zipfile.ZipFile(path) as archive:
            return _Reading(told, archive, wanted).raw()
    except _BROKEN as error:
        allowed = "an NPZ archive of plain arrays (numpy.savez); texts as a string array, no pickled objects"
        raise BadSetting(told, f"a file that cannot be read ({error})", allowed) from None


class _Reading:
    """An open archive."""

    def __init__(self, told: str, archive: zipfile.ZipFile, wanted: Wanted) -> None:
        self._told = told
        self._archive = archive
        self._wanted = wanted

    def raw(self) -> Raw:
        names = [name.removesuffix(_MEMBER) for name in self._archive.namelist() if name.endswith(_MEMBER)]
        wanted = self._wanted
        missing = [tensor.name for tensor in wanted.inputs if tensor.name not in names and not tensor.optional]
        if missing:
            given = f"the arrays {', '.join(names) or 'none'}"
            raise BadSetting(self._told, given, f"an array '{missing[0]}'; {wanted}")
        inputs = {t.name: self._input(t) for t in wanted.inputs if t.name in names}
        labelled, sliced = wanted.beside(names)
        beside = {name: self._array(name) for name, there in ((LABEL, labelled), (SLICE, sliced)) if there}
        lengths = {name: len(array) for name, array in (inputs | beside).items()}
        if len(set(lengths.values())) != 1:
            told = ", ".join(f"'{name}' {length:,}" for name, length in lengths.items())
            raise BadSetting(self._told, f"arrays of different lengths: {told}", "one row an example in each")
        places = [f"row {row + 1}" for row in range(next(iter(lengths.values())))]
        for tensor in wanted.inputs:
            if tensor.name in inputs:
                self._check(tensor, inputs[tensor.name], places)
        lists = {name: array.tolist() for name, array in beside.items()}
        return Raw(inputs, lists.get(LABEL), lists.get(SLICE), places)

    def _array(self, name: str) -> np.ndarray:
        with self._archive.open(name + _MEMBER) as member:
            array: np.ndarray = np.lib.format.read_array(member, allow_pickle=False)
        if not array.ndim:
            raise BadSetting(self._told, f"'{name}', which is no array of rows", "one row an example")
        return array

    def _input(self, tensor: Tensor) -> np.ndarray:
        array = self._array(tensor.name)
        try:
            array = _bytes(tensor, array) if tensor.datatype == BYTES else cast(tensor, array)
        except MalformedInput as error:
            raise BadSetting(self._told, f"the array {error.message}", str(self._wanted)) from None
        if not fits_row(tensor, array.shape[1:]):
            given = f"the array '{tensor.name}' {list(array.shape)}"
            raise BadSetting(self._told, given, f"a first axis of rows, then {row_shape(tensor)}")
        return array

    def _check(self, tensor: Tensor, array: np.ndarray, places: list[str]) -> None:
        check = check_of(self._wanted.manifest, tensor)
        for start in range(0, len(array) if check else 0, _CHUNK):
            part = slice(start, start + _CHUNK)
            array[part] = checked(check, array[part], places[part], self._wanted.problems)


def _bytes(tensor: Tensor, array: np.ndarray) -> np.ndarray:
    """Texts as byte strings.

    Raises:
        MalformedInput: They are none.
    """
    if array.dtype.kind not in "SU":
        raise MalformedInput(f"'{tensor.name}'", f"{array.dtype}; expected text")
    texts = np.empty(array.shape, dtype=object)
    items = array.ravel().tolist()
    texts.reshape(-1)[:] = [item.encode() if isinstance(item, str) else item for item in items]
    return texts
