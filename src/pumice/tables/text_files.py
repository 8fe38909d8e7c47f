"""JSONL and CSV, line by line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from pumice.domain.errors import BadSetting
from pumice.tables.rows import Row

MAX_LINE_BYTES = 64 * 1024 * 1024
"""Longest line, and longest CSV field; more is a bad row."""


class JsonLines:
    """A JSON object a line; blank lines are passed over."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self.total = path.stat().st_size
        self.position = 0
        _, first = next(self._lines(), (0, b""))
        self._file.seek(0)
        self.columns: Sequence[str] = list(_object(first, "").values)

    def rows(self, skip: int) -> Iterator[Row]:
        """Read the rows after the first so many."""
        for count, (number, line) in enumerate(self._lines()):
            if count >= skip:
                yield _object(line, f"line {number}")

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        """The lines that are not blank, each with its number from 1."""
        self.position = number = 0
        while line := self._file.readline(MAX_LINE_BYTES + 1):
            self.position += len(line)
            number += 1
            rest = line
            while len(rest) > MAX_LINE_BYTES and not rest.endswith(b"\n"):
                rest = self._file.readline(MAX_LINE_BYTES + 1)
                self.position += len(rest)
            if line.strip():
                yield number, line


def _object(line: bytes, place: str) -> Row:
    if len(line) > MAX_LINE_BYTES:
        return Row({}, f"the line is longer than {MAX_LINE_BYTES} bytes", place)
    try:
        value: Any = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Row({}, f"no JSON: {error}", place)
    if not isinstance(value, dict):
        return Row({}, f"expected a JSON object, found {type(value).__name__}", place)
    return Row(value, "", place)


class Csv:
    """Comma-separated values in UTF-8 with a header."""

    def __init__(self, path: Path, what: str) -> None:
        csv.field_size_limit(MAX_LINE_BYTES)
        self._raw = path.open("rb")
        self.total = path.stat().st_size
        # a byte that is no UTF-8 spoils its row, not the file
        self._text = io.TextIOWrapper(self._raw, encoding="utf-8-sig", errors="surrogateescape", newline="")
        self._records = csv.reader(self._text)
        try:
            self.columns: Sequence[str] = next(self._records, [])
        except csv.Error as error:
            self.close()
            raise BadSetting(what, f"'{path}'", f"a CSV file with a header ({error})") from None
        if not self.columns or len(set(self.columns)) != len(self.columns):
            self.close()
            raise BadSetting(what, f"the header {self.columns}", "a header whose names differ")

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
                row = Row({}, f"no CSV: {error}", self._place)
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

    @property
    def _place(self) -> str:
        """The line on which the last record ends."""
        return f"line {self._records.line_num}"

    def _row(self, record: list[str]) -> Row:
        if len(record) != len(self.columns):
            return Row({}, f"{len(record)} fields; the header has {len(self.columns)}", self._place)
        values = dict(zip(self.columns, record, strict=True))
        if any("\udc80" <= letter <= "\udcff" for field in record for letter in field):
            return Row({}, "no UTF-8", self._place)
        return Row(values, "", self._place)
