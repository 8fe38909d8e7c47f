"""JSONL and CSV: read line by line, and written so that a cut-off file can be shortened to what is known of it."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import msgspec

from pumice.cli.batch.rows import Row
from pumice.cli.output import plain
from pumice.domain.errors import BadSetting

MAX_LINE_BYTES = 64 * 1024 * 1024
"""Longest line, and longest CSV field; more is a bad row."""


class JsonLines:
    """A JSON object a line; blank lines are passed over."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self.total = path.stat().st_size
        self.position = 0
        first = next(self._lines(), b"")
        self._file.seek(0)
        self.columns: Sequence[str] = list(_object(first).values)

    def rows(self, skip: int) -> Iterator[Row]:
        """Read the rows after the first so many."""
        for number, line in enumerate(self._lines()):
            if number >= skip:
                yield _object(line)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _lines(self) -> Iterator[bytes]:
        self.position = 0
        while line := self._file.readline(MAX_LINE_BYTES + 1):
            self.position += len(line)
            rest = line
            while len(rest) > MAX_LINE_BYTES and not rest.endswith(b"\n"):
                rest = self._file.readline(MAX_LINE_BYTES + 1)
                self.position += len(rest)
            if line.strip():
                yield line


def _object(line: bytes) -> Row:
    if len(line) > MAX_LINE_BYTES:
        return Row({}, f"the line is longer than {MAX_LINE_BYTES} bytes")
    try:
        value: Any = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Row({}, f"no JSON: {error}")
    return Row(value) if isinstance(value, dict) else Row({}, f"expected a JSON object, found {type(value).__name__}")


class Csv:
    """Comma-separated values in UTF-8 with a header."""

    def __init__(self, path: Path) -> None:
        csv.field_size_limit(MAX_LINE_BYTES)
        self._raw = path.open("rb")
        self.total = path.stat().st_size
        # a byte that is no UTF-8 spoils its row, not the file
        self._text = io.TextIOWrapper(self._raw, encoding="utf-8-sig", errors="surrogateescape", newline="")
        self._records = csv.reader(self._text)
        try:
            self.columns: Sequence[str] = next(self._records, [])
        except csv.Error as error:
            raise BadSetting("IN", f"'{path}'", f"a CSV file with a header ({error})") from None
        if not self.columns or len(set(self.columns)) != len(self.columns):
            raise BadSetting("IN", f"the header {self.columns}", "a header whose names differ")

    @property
    def position(self) -> int:
        """How much of the file has been read (bytes)."""
        return self._raw.tell()

    def rows(self, skip: int) -> Iterator[Row]:
        """Read the rows after the first so many."""
        number = 0
        while True:
            try:
                record = next(self._records)
            except StopIteration:
                return
            except csv.Error as error:
                row = Row({}, f"no CSV: {error}")
            else:
                if not record:
                    continue
                row = self._row(record)
            number += 1
            if number > skip:
                yield row

    def close(self) -> None:
        """Close the file."""
        self._text.close()

    def _row(self, record: list[str]) -> Row:
        if len(record) != len(self.columns):
            return Row({}, f"{len(record)} fields; the header has {len(self.columns)}")
        values = dict(zip(self.columns, record, strict=True))
        if any("\udc80" <= letter <= "\udcff" for field in record for letter in field):
            return Row({}, "no UTF-8")
        return Row(values)


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
