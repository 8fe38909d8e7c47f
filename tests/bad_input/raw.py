"""A connection whose bytes a test chooses, and the answers read off it."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import urlsplit

from tests.support.sockets import RawSocket

LIMIT_S = 20.0
ROW = b'{"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","data":[1,2,3,4]}]}'


class Answered(NamedTuple):
    """An answer."""

    status: int
    headers: dict[str, str]
    body: bytes


class Raw(RawSocket):
    """A connection; use it in a ``with`` block."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        super().__init__((parts.hostname or "", parts.port or 0), LIMIT_S)

    def read(self, method: str = "GET") -> Answered:
        """Read one final answer; interim ones are passed over."""
        while True:
            head = self._until(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            status = int(lines[0].split()[1])
            if status >= 200:
                break
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)
        }
        if method == "HEAD" or status == 204:
            return Answered(status, headers, b"")
        if headers.get("transfer-encoding") == "chunked":
            return Answered(status, headers, self._chunks())
        return Answered(status, headers, self._exactly(int(headers["content-length"])))

    def closed(self) -> bool:
        """Whether the other side closes without another word."""
        try:
            return not self._buffer and self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def _chunks(self) -> bytes:
        body = b""
        while True:
            size = int(self._until(b"\r\n"), 16)
            body += self._exactly(size + 2)[:-2]
            if not size:
                return body

    def _until(self, end: bytes) -> bytes:
        while end not in self._buffer:
            self._more()
        head, _, self._buffer = self._buffer.partition(end)
        return head

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._more()
        body, self._buffer = self._buffer[:size], self._buffer[size:]
        return body

    def _more(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            msg = f"closed after {self._buffer[:200]!r}"
            raise ConnectionError(msg)
        self._buffer += data


def post(path: str, body: bytes = b"", *headers: str, length: int | None = None) -> bytes:
    """A whole request."""
    size = len(body) if length is None else length
    lines = [f"POST {path} HTTP/1.1", "Host: test", f"Content-Length: {size}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def get(path: str, *headers: str) -> bytes:
    """A whole request without a body."""
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: test", *headers, "", ""]).encode("latin-1")


def memory_of(pid: int) -> int:
    """Memory that is a process's own, its part of what it shares included (PSS, bytes)."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(pid)


def work_of(pid: int) -> float:
    """Time of the processor that a process has taken (s); that of the clock would be its neighbours' too."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Peak:
    """How far a process's memory rises above where it was (RSS, bytes); use it in a ``with`` block.

    Attributes:
        growth: So far.
    """

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        self._reset = Path(f"/proc/{pid}/clear_refs")
        self._before = 0

    def __enter__(self) -> Self:
        self._reset.write_text("5", encoding="ascii")  # the highest mark falls to what there is now
        self._before = self._read("VmHWM:")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    @property
    def growth(self) -> int:
        return self._read("VmHWM:") - self._before

    def _read(self, key: str) -> int:
        for line in self._status.read_text(encoding="ascii").splitlines():
            if line.startswith(key):
                return int(line.split()[1]) * 1024
        raise AssertionError(key)
