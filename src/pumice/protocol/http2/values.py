"""The words of HTTP/2: kinds of frames, flags, settings, error codes, and what goes wrong.

Source: RFC 9113, sections 6, 6.5.2 and 7.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What every connection begins with."""

MAX_WINDOW = 2**31 - 1
"""Largest window of flow control, and the highest number of a stream."""

FIRST_WINDOW = 65_535
"""A window before anything was said about it (bytes)."""

SMALLEST_MAX_FRAME = 16_384
LARGEST_MAX_FRAME = 2**24 - 1

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)

END_STREAM = 0x1
ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
HAS_PRIORITY = 0x20


class Setting(IntEnum):
    """What a peer says of itself."""

    HEADER_TABLE_SIZE = 1
    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6


class Code(IntEnum):
    """Why a stream or a connection ends."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    SETTINGS_TIMEOUT = 4
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    CONNECT_ERROR = 10
    ENHANCE_YOUR_CALM = 11
    INADEQUATE_SECURITY = 12
    HTTP_1_1_REQUIRED = 13


class ConnectionFault(Exception):
    """The peer did what ends the connection.

    Args:
        code: What the peer is told.
        why: The same in words; sent along for those who look for the fault.
    """

    def __init__(self, code: Code, why: str) -> None:
        super().__init__(why)
        self.code = code
        self.why = why


class StreamFault(Exception):
    """The peer did what ends one stream; all others go on.

    Args:
        stream: Number of the stream.
        code: What the peer is told.
        why: The same in words.
    """

    def __init__(self, stream: int, code: Code, why: str) -> None:
        super().__init__(why)
        self.stream = stream
        self.code = code


@dataclass(frozen=True, slots=True)
class Limits:
    """What one connection may take.

    Attributes:
        streams: Open streams at once; one more is refused, which a client may try again elsewhere.
        window: What may be on its way to us on one stream (bytes).
        connection_window: The same for all streams together (bytes).
        frame: Largest frame that is taken (bytes).
        header_list: Largest list of header fields that is advertised (bytes, as RFC 9113 counts them).
        header_list_most: A list beyond it ends the connection (bytes, counted likewise).
        header_block: Largest packed list, with all its continuations (bytes).
        continuations: Most frames that one list may be continued in.
        idle_frames: Frames that ask for no work, which may come at once.
        idle_frames_per_second: What of them is forgiven each second.
    """

    streams: int = 1024
    window: int = 1024 * 1024
    connection_window: int = 16 * 1024 * 1024
    frame: int = 64 * 1024
    header_list: int = 16 * 1024
    header_list_most: int = 64 * 1024
    header_block: int = 64 * 1024
    continuations: int = 8
    idle_frames: int = 10_000
    idle_frames_per_second: int = 1_000
