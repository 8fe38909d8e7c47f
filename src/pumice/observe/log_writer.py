"""Writes log records beside the event loop, so that a log which nobody reads cannot stop a server."""

from __future__ import annotations

import atexit
import logging
import os
import queue
import threading

_MOST_WAITING = 10_000
"""Records that wait to be written; more are dropped and counted."""

_LAST_WORDS = 1.0
"""Longest that the end of the process waits for what is still to be written (s)."""


class LogWriter(logging.Handler):
    """Hands records to a thread that formats and writes them.

    Args:
        fd: Descriptor to write to.
    """

    def __init__(self, fd: int) -> None:
        super().__init__()
        self._fd = fd
        self._waiting: queue.Queue[logging.LogRecord | None] = queue.Queue(_MOST_WAITING)
        self._dropped = 0
        self._thread = threading.Thread(target=self._write_all, name="log", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record; it is dropped if too many wait."""
        try:
            self._waiting.put_nowait(record)
        except queue.Full:
            self._dropped += 1

    def close(self) -> None:
        """Write what waits, if somebody reads it."""
        try:
            self._waiting.put_nowait(None)
            self._thread.join(_LAST_WORDS)
        except queue.Full:
            pass
        super().close()

    def _write_all(self) -> None:
        while (record := self._waiting.get()) is not None:
            self._write(record)
            dropped, self._dropped = self._dropped, 0
            if dropped:
                told = logging.LogRecord("pumice.logs", logging.WARNING, "", 0, "log lines dropped", None, None)
                told.lines = dropped
                self._write(told)

    def _write(self, record: logging.LogRecord) -> None:
        try:
            data = f"{self.format(record)}\n".encode(errors="backslashreplace")
            while data:
                data = data[os.write(self._fd, data) :]
        except OSError:  # nobody reads any more, and there is nobody to tell
            pass
        except Exception:  # noqa: BLE001 - a record that cannot be formatted must not end the log
            self.handleError(record)
