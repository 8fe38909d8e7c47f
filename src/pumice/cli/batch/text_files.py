"""JSONL and CSV, written so that a cut-off file can be shortened to what is known of it."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import msgspec

from pumice.cli.output import plain

Encode = Callable[[Mapping[str, Any]], bytes]


class TextWriter:
    """Writes ``OUT.partial`` and in the end moves it to OUT.

    Args:
        out: The file that is wanted.
        kept: Length of what an earlier run has written for certain (bytes); what is behind it is cut off.
        encode: Makes a row's bytes.
        header: First bytes of a new file.
    """

    def __init__(self, out: Path, kept: int, encode: Encode, header: bytes = b"") -> None:
        self._out = out
        self._partial = out.with_name(f"{out.name}.partial")
        self._encode = encode
        self._file: IO[bytes] = self._partial.open("r+b" if kept else "wb")
        self._file.truncate(kept)
        self._file.seek(kept)
        if not kept:
            self._file.write(header)

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows."""
        self._file.writelines(self._encode(row) for row in rows)

    def sync(self) -> int:
        """Bring to the disk what was written; return its length (bytes)."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._file.tell()

    def finish(self) -> None:
        """Bring all to the disk and move it to its place."""
        self.sync()
        self._file.close()
        self._partial.replace(self._out)

    def close(self) -> None:
        """Stop where it is."""
        self._file.close()


def json_line(row: Mapping[str, Any]) -> bytes:
    """A row as a line of JSON."""
    return msgspec.json.encode(plain(dict(row))) + b"\n"


def csv_encoder(columns: Sequence[str]) -> Encode:
    """Make what turns a row into a line of these columns; lists and objects become JSON."""

    def encode(row: Mapping[str, Any]) -> bytes:
        return csv_line([_cell(row.get(name)) for name in columns])

    return encode


def csv_line(cells: Sequence[str]) -> bytes:
    """A line of CSV."""
    line = io.StringIO(newline="")
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue().encode()


def _cell(value: object) -> str:
    if value is None:
        return ""
    told = plain(value)
    return told if isinstance(told, str) else msgspec.json.encode(told).decode()
