"""What goes the short way, and what all connections share."""

from __future__ import annotations

from pumice.gateway.headers import SAFE_HEADERS
from pumice.gateway.http.budget import Budget
from pumice.gateway.http.cors import Cors
from pumice.gateway.http.hot.exchange import Handler, Head
from pumice.gateway.http.hot.limits import HttpLimits
from pumice.gateway.http.hot.sweep import Sweep

HEAD_ROOM = 8 * 1024
"""Most that is read at once where a large body's head may come (bytes); what comes with it is copied once more."""

_MOST_HEADS = 512
"""Heads that are remembered; clients that send a new one each time only make the memory start again."""

_LONGEST_HEAD = 4096
"""Longest head that is remembered (bytes)."""


class HotRoute:
    """What goes the short way.

    Args:
        handler: Takes whole requests.
        suffix: End of their paths.
        limits: What a connection may take.
        budget: What all bodies may take together.
        cors: Other origins whose pages may call.

    Attributes:
        heads: Raw heads that were seen -> what they say, and the length of the body behind them (bytes).
        room: Memory into which heads are read; all connections share it, since what is read is taken out at once.
        sweep: Looks after the connections.
        by_certificate: The names in the callers' certificates are theirs.
    """

    def __init__(
        self, handler: Handler, suffix: bytes, limits: HttpLimits, budget: Budget, cors: Cors | None = None
    ) -> None:
        self.handler = handler
        self.suffix = suffix
        self.limits = limits
        self.budget = budget
        self.cors = cors
        self.heads: dict[bytes, tuple[Head, int]] = {}
        self.room = memoryview(bytearray(HEAD_ROOM))
        self.sweep = Sweep()
        self.by_certificate = False
        self._pairs: list[tuple[bytes, bytes]] | None = None
        self._joined = b""

    def remember(self, raw: bytes, head: Head, length: int) -> None:
        """Keep a head that was parsed, so that the same bytes need no parser again.

        Args:
            raw: The head's bytes.
            head: What was parsed of them.
            length: Of the body that follows (bytes).
        """
        if len(raw) > _LONGEST_HEAD:
            return
        if len(self.heads) >= _MOST_HEADS:
            self.heads.clear()
        self.heads[raw] = (head, length)

    def common_headers(self, pairs: list[tuple[bytes, bytes]]) -> bytes:
        """Join the headers that every answer carries; uvicorn makes a new list of them once a second."""
        if self._pairs is not pairs:
            self._pairs = pairs
            self._joined = b"".join(b"%s: %s\r\n" % pair for pair in (*pairs, *SAFE_HEADERS))
        return self._joined

    def head_of(self, path: bytes, fields: dict[bytes, bytes], *, keep_alive_1_0: bool) -> Head:
        """Make a head, with the headers that its answers carry besides."""
        more = b""
        if self.cors is not None:
            more = b"".join(b"%s: %s\r\n" % pair for pair in self.cors.headers_for(fields.get(b"origin", b"")))
        return Head(path, fields, more + b"connection: keep-alive\r\n" if keep_alive_1_0 else more)
