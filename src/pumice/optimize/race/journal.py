"""What a run has already found out, kept so that a killed one goes on where it was."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

T = TypeVar("T")


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    key: str
    seconds: float
    value: msgspec.Raw


class Journal:
    """A file of results, one a line, each on the disk before anything is built upon it.

    A run is a function of the results of its steps: which is next follows from those before. So a run that finds
    results in its journal takes them instead of doing the steps, and comes to the same end.

    Args:
        file: The file; it is made if it is not there. What a kill left half written at its end is cut off.
        clock: Tells the time (s), of any beginning.
    """

    def __init__(self, file: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[str, _Line] = {}
        self.seconds = 0.0
        self._handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        os.ftruncate(self._handle, self._read(file))

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)

    def keys(self, prefix: str) -> list[str]:
        """Steps that are done, of those whose names begin so."""
        return [key for key in self._known if key.startswith(prefix)]

    def once(self, key: str, kind: type[T], work: Callable[[], T]) -> T:
        """The result of a step: the one that is kept, or else what the work gives, which is then kept.

        Args:
            key: Names the step; each step has its own.
            kind: Type of the result; it goes through JSON.
            work: Does the step.

        Raises:
            PumiceError: Whatever the work raises; nothing is kept then.
        """
        if key not in self._known:
            begun = self._clock()
            value = msgspec.json.encode(work())
            self._append(_Line(key, round(self._clock() - begun, 6), msgspec.Raw(value)))
        return msgspec.json.decode(self._known[key].value, type=kind)

    def _append(self, line: _Line) -> None:
        data = msgspec.json.encode(line) + b"\n"
        written = 0
        while written < len(data):
            written += os.write(self._handle, data[written:])
        os.fsync(self._handle)
        self._keep(line)

    def _keep(self, line: _Line) -> None:
        self._known[line.key] = line
        self.seconds += line.seconds

    def _read(self, file: Path) -> int:
        """Read what is whole, and tell how long that is (bytes)."""
        whole = 0
        for text in file.read_bytes().splitlines(keepends=True):
            if not text.endswith(b"\n"):
                break
            try:
                line = msgspec.json.decode(text, type=_Line)
            except msgspec.DecodeError:
                break
            # a Raw looks into the text that it was read from
            self._keep(_Line(line.key, line.seconds, msgspec.Raw(bytes(line.value))))
            whole += len(text)
        return whole
