"""Opens a file of rows, whatever its format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pumice.domain.errors import BadSetting
from pumice.tables.parquet import ParquetReader
from pumice.tables.rows import Reader
from pumice.tables.text_files import Csv, JsonLines

_READERS: dict[str, Callable[[Path, str], Reader]] = {
    "jsonl": lambda path, _: JsonLines(path),
    "csv": Csv,
    "parquet": ParquetReader,
}


def open_table(path: Path, form: str, what: str) -> Reader:
    """Open a file of rows.

    Args:
        path: The file.
        form: Its format: ``jsonl``, ``csv`` or ``parquet``.
        what: What the user calls it, for messages, for example ``IN``.

    Raises:
        BadSetting: It cannot be read, or is not of this format.
        MissingDependency: The format's library is not installed.
    """
    try:
        return _READERS[form](path, what)
    except OSError as error:
        raise BadSetting(what, f"'{path}'", f"a file that can be read ({error.strerror or error})") from None
