"""What a connection may take: sizes and times."""

from __future__ import annotations

from dataclasses import dataclass

MAX_HEAD_BYTES = 64 * 1024
"""Largest head of a request: its first line and its headers (bytes)."""

MAX_TARGET_BYTES = 8 * 1024
"""Longest target of a request: path and query (bytes)."""

MAX_HEADERS = 256
"""Most headers of a request."""

CHUNK_SLACK_BYTES = 128 * 1024
"""What a chunked body may take for sizes, extensions and trailers beyond as much as its data take (bytes)."""

LINGER_S = 2.0
"""How long a refused caller is heard out, so that the refusal reaches it (s).

Closing a connection while its caller still sends makes TCP throw away what the caller has not read.
"""

TOLD_AT_ONCE = 128
"""Connections beyond the most that are heard out while they are told so; others are closed without a word."""


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Limits that are settings.

    Attributes:
        max_body: Largest body (bytes).
        max_connections: Most connections at once.
        header_timeout: Longest that a head may take (s).
        body_timeout: Longest that a body may take (s), besides what `min_rate` gives it.
        min_rate: Each so many bytes that come, or are taken, give one second more (bytes/s).
        idle_timeout: How long a connection stays open without a request (s).
        send_timeout: Longest that a caller may leave its answer unread (s), besides what `min_rate` gives it.
    """

    max_body: int = 64 * 1024 * 1024
    max_connections: int = 10_000
    header_timeout: float = 10.0
    body_timeout: float = 30.0
    min_rate: int = 1024
    idle_timeout: float = 75.0
    send_timeout: float = 30.0
