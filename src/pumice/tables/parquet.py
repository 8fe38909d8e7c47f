"""Parquet, by row groups."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pumice.domain.errors import BadSetting, MissingDependency
from pumice.tables.rows import Row

_READ_ROWS = 1024


def arrow(module: str = "pyarrow") -> Any:
    """Import the library.

    Raises:
        MissingDependency: It is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        raise MissingDependency("Parquet", "pyarrow", "pip install 'pumice[batch]'") from None


def _damages() -> tuple[type[Exception], ...]:
    """What the library raises on damaged bytes; text that is no UTF-8 is found when it is read."""
    return (arrow().ArrowException, OSError, UnicodeDecodeError)


class ParquetReader:
    """A Parquet file; a row group is in memory at a time at most."""

    def __init__(self, path: Path, what: str) -> None:
        library = arrow("pyarrow.parquet")
        self._path, self._what = path, what
        try:
            self._file = library.ParquetFile(path)
            self.schema = self._file.schema_arrow
            self.columns: Sequence[str] = self.schema.names
        except _damages() as error:
            raise BadSetting(what, f"'{path}'", f"a Parquet file ({error})") from None
        self.total: int = self._file.metadata.num_rows
        self.position = 0

    def rows(self, skip: int) -> Iterator[Row]:
        """Read the rows after the first so many; whole row groups of them are not even opened."""
        metadata = self._file.metadata
        groups = list(range(metadata.num_row_groups))
        self.position = skip
        while groups and metadata.row_group(groups[0]).num_rows <= skip:
            skip -= metadata.row_group(groups.pop(0)).num_rows
        if not groups:
            return
        for batch in self._batches(groups):
            fresh = batch.slice(skip)
            skip -= min(skip, batch.num_rows)
            for values in self._values(fresh):
                self.position += 1
                yield Row(values, "", f"row {self.position}")

    def _batches(self, groups: list[int]) -> Iterator[Any]:
        try:
            yield from self._file.iter_batches(batch_size=_READ_ROWS, row_groups=groups)
        except _damages() as error:
            raise self._damaged(error) from None

    def _values(self, batch: Any) -> list[dict[str, Any]]:
        try:
            values: list[dict[str, Any]] = batch.to_pylist()
        except _damages() as error:
            raise self._damaged(error) from None
        return values

    def _damaged(self, error: Exception) -> BadSetting:
        problem = f"'{self._path}', which is damaged after row {self.position} ({error})"
        return BadSetting(self._what, problem, "a whole Parquet file")

    def close(self) -> None:
        """Close the file."""
        self._file.close()
