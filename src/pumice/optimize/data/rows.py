"""Examples from JSONL, CSV and Parquet: a row an example, turned into arrays chunk by chunk."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pumice.domain.errors import BadSetting, MalformedInput
from pumice.domain.signature import Tensor
from pumice.optimize.data.content import check_of, checked
from pumice.optimize.data.elements import element, stack
from pumice.optimize.data.problems import told_of
from pumice.optimize.data.wanted import LABEL, SLICE, Raw, Wanted
from pumice.tables.items import item_of
from pumice.tables.reading import open_table
from pumice.tables.rows import Row

_CHUNK = 1024
"""Rows that are Python objects at a time."""


def read_rows(path: Path, form: str, wanted: Wanted) -> Raw:
    """Read a file of rows.

    Args:
        path: The file.
        form: Its format: ``jsonl``, ``csv`` or ``parquet``.
        wanted: What the model takes.

    Raises:
        BadSetting: It cannot be read, or lacks a column.
        MissingDependency: The format's library is not installed.
    """
    told = told_of(path)
    with contextlib.closing(open_table(path, form, told)) as reader:
        columns = list(reader.columns)
        missing = [tensor.name for tensor in wanted.inputs if tensor.name not in columns and not tensor.optional]
        if missing and columns:
            raise BadSetting(told, f"the columns {', '.join(columns)}", f"a column '{missing[0]}'; {wanted}")
        gathered = _Gathered(wanted, columns)
        rows = reader.rows(0)
        while chunk := list(itertools.islice(rows, _CHUNK)):
            gathered.add(chunk)
    return gathered.raw()


class _Gathered:
    """Rows that have become arrays."""

    def __init__(self, wanted: Wanted, columns: Sequence[str]) -> None:
        labelled, sliced = wanted.beside(columns)
        self._inputs = [tensor for tensor in wanted.inputs if tensor.name in columns or not tensor.optional]
        self._checks = {tensor.name: check_of(wanted.manifest, tensor) for tensor in self._inputs}
        self._parts: dict[str, list[np.ndarray]] = {tensor.name: [] for tensor in self._inputs}
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._problems = wanted.problems
        self._raw = Raw(labels=[] if labelled else None, slices=[] if sliced else None)

    def add(self, rows: Sequence[Row]) -> None:
        """Take in some rows."""
        raw = self._raw
        raw.places += [row.place for row in rows]
        for row in rows:
            if row.error:
                self._problems.note(row.place, row.error)
        good = [row for row in rows if not row.error]
        for column, values in ((LABEL, raw.labels), (SLICE, raw.slices)):
            if values is not None:
                values += [row.values.get(column) for row in rows]
        for tensor in self._inputs:
            self._add(tensor, good)

    def raw(self) -> Raw:
        """All of them."""
        for tensor in self._inputs:
            parts = self._parts.pop(tensor.name)
            self._raw.inputs[tensor.name] = np.concatenate(parts) if parts else np.empty(0, tensor.dtype)
        return self._raw

    def _add(self, tensor: Tensor, rows: Sequence[Row]) -> None:
        arrays, places = [], []
        for row in rows:
            try:
                arrays.append(self._element(tensor, row))
            except MalformedInput as error:
                self._problems.note(row.place, error.message)
            else:
                places.append(row.place)
        if arrays:
            stacked = stack(arrays, tensor.dtype)
            self._parts[tensor.name].append(checked(self._checks[tensor.name], stacked, places, self._problems))

    def _element(self, tensor: Tensor, row: Row) -> np.ndarray:
        array = element(tensor, item_of(tensor, row.values))
        shape = self._shapes.setdefault(tensor.name, array.shape)
        if array.shape != shape:
            problem = f"shape {list(array.shape)}, and rows before have {list(shape)}; pad them to one shape"
            raise MalformedInput(f"'{tensor.name}'", problem)
        return array
