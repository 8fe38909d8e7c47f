"""What is written down of every management act: a JSON object a line, on disk before the caller has the answer."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

FILE_NAME = "audit.jsonl"
"""The record in the home; older ones end in ``.1`` to ``.9``, the newest first."""

KEPT = 9
"""Older files that are kept."""

_log = logging.getLogger("pumice.audit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """A management act, done, denied or failed.

    Attributes:
        who: The caller, for example ``key:4Zc1…``, or ``local:USER`` on the command line.
        what: The act: the method and path of the route, of the gRPC method, or the command.
        target: What it was about.
        result: ``done``, ``denied: …`` or ``failed: …``.
        origin: Address that it came from.
        request_id: The id of the request in the log.
    """

    who: str
    what: str
    target: Mapping[str, str] = field(default_factory=dict)
    result: str = "done"
    origin: str = ""
    request_id: str = ""


class Audit:
    """The record of a home. Several processes may write to it.

    Args:
        folder: Where the file is.
        max_bytes: Size from which a new file is begun (bytes).
        clock: Seconds since 1970.
    """

    def __init__(self, folder: Path, max_bytes: int = 16 * 1024 * 1024, clock: Callable[[], float] = time.time) -> None:
        self.file = folder / FILE_NAME
        self._max_bytes = max_bytes
        self._clock = clock

    async def write(self, act: Act) -> None:
        """Write an act down, in a thread; see `record`."""
        await asyncio.to_thread(self.record, act)

    def record(self, act: Act) -> None:
        """Write an act down, in the file and in the log; it is on the disk when this returns.

        A disk that fails does not stop the act: what was to be written is in the log all the same.
        """
        told = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._clock())),
            "who": act.who,
            "what": act.what,
            "target": dict(act.target),
            "result": act.result,
            "from": act.origin,
            "request_id": act.request_id,
        }
        _log.info("audit", extra={name: value for name, value in told.items() if name != "time"})
        try:
            self._append(msgspec.json.encode(told) + b"\n")
        except OSError as error:
            _log.error("the audit record cannot be written", extra={"file": str(self.file), "problem": str(error)})

    def _append(self, line: bytes) -> None:
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # the lock is on a file of its own: the one that is written is renamed
        with _locked(self.file.with_suffix(".lock")):
            handle = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.write(handle, line)
                os.fsync(handle)
                full = os.fstat(handle).st_size >= self._max_bytes
            finally:
                os.close(handle)
            if full:
                self._turn_over()

    def _turn_over(self) -> None:
        for number in range(KEPT, 0, -1):
            older = self.file.with_name(f"{FILE_NAME}.{number - 1}") if number > 1 else self.file
            if older.exists():
                older.replace(self.file.with_name(f"{FILE_NAME}.{number}"))


class _locked:  # noqa: N801 - used as a verb
    """Holds a file's lock inside of a ``with`` block."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __enter__(self) -> None:
        self._handle = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._handle, fcntl.LOCK_EX)

    def __exit__(self, *_error: object) -> None:
        os.close(self._handle)
