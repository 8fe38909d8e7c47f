"""A connection on which a test sends the bytes that it wants."""

from __future__ import annotations

import socket
from types import TracebackType
from typing import Self


class RawSocket:
    """A connection; use it in a ``with`` block.

    Args:
        address: Host and port.
        limit: Longest wait for the other side (s).
    """

    def __init__(self, address: tuple[str, int], limit: float) -> None:
        self.socket = socket.create_connection(address, timeout=limit)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, *parts: bytes) -> None:
        for part in parts:
            self.socket.sendall(part)

    def try_send(self, part: bytes) -> bool:
        """Send; whether the other side still takes it."""
        try:
            self.socket.sendall(part)
        except OSError:
            return False
        return True
