"""Parquet: written as one file a stretch, joined at the end, since none can be prolonged."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from pumice.cli.batch.writing import ERROR
from pumice.cli.output import plain
from pumice.domain.signature import Tensor
from pumice.tables.parquet import arrow

_TYPES: Mapping[str, str] = {
    "BOOL": "bool_",
    "BYTES": "string",
    "FP16": "float16",
    "FP32": "float32",
    "FP64": "float64",
    **{f"{sign}INT{bits}": f"{sign.lower()}int{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)},
}


class ParquetWriter:
    """Writes a file a stretch into ``OUT.parts`` and in the end joins them, a row group each.

    Args:
        out: The file that is wanted.
        kept: How many files an earlier run has written for certain; others are deleted.
        schema: What the columns are.
    """

    def __init__(self, out: Path, kept: int, schema: Any) -> None:
        self._out = out
        self._schema = schema
        self._folder = out.with_name(f"{out.name}.parts")
        self._library = arrow("pyarrow.parquet")
        self._rows: list[Mapping[str, Any]] = []
        self._count = kept
        self._folder.mkdir(exist_ok=True)
        known = {self._part(number) for number in range(kept)}
        for file in self._folder.iterdir():
            if file not in known:
                file.unlink()

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows."""
        names = self._schema.names
        self._rows += ({name: self._value(name, row.get(name)) for name in names} for row in rows)

    def sync(self) -> int:
        """Write a file of the rows that came since the last one; return how many there are."""
        if self._rows:
            self._save([arrow().Table.from_pylist(self._rows, schema=self._schema)], self._part(self._count))
            self._rows = []
            self._count += 1
        return self._count

    def finish(self) -> None:
        """Join the files in OUT."""
        self.sync()
        parts = (self._part(number) for number in range(self._count))
        self._save((self._library.read_table(part, schema=self._schema) for part in parts), self._out)
        shutil.rmtree(self._folder)

    def close(self) -> None:
        """Stop where it is."""

    def _part(self, number: int) -> Path:
        return self._folder / f"{number:06d}.parquet"

    def _save(self, tables: Any, file: Path) -> None:
        temporary = file.with_name(f"{file.name}.partial")
        with self._library.ParquetWriter(temporary, self._schema) as writer:
            for table in tables:
                writer.write_table(table)
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(file)

    def _value(self, name: str, value: object) -> object:
        told = plain(value)
        if told is None or not arrow("pyarrow.types").is_string(self._schema.field(name).type):
            return told
        return told if isinstance(told, str) else msgspec.json.encode(told).decode()


def schema_of(carried: Sequence[str], outputs: Mapping[str, Tensor], source: Any) -> Any:
    """What the columns of a result are.

    Args:
        carried: Columns of the input; their types are kept if it is Parquet, else they are text.
        outputs: Columns of the model's outputs.
        source: The input's schema, or None.
    """
    library = arrow()
    fields = [(name, source.field(name).type if source is not None else library.string()) for name in carried]
    fields += [(name, _type_of(tensor)) for name, tensor in outputs.items()]
    return library.schema([*fields, (ERROR, library.string())])


def _type_of(tensor: Tensor) -> Any:
    library = arrow()
    kind = getattr(library, _TYPES[tensor.datatype])()
    for _ in tensor.shape[1:] if tensor.shape[:1] == [-1] else tensor.shape:
        kind = library.list_(kind)
    return kind
