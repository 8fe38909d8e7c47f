"""Frames of HTTP/2: taken out of the bytes that come, and written.

Source: RFC 9113, sections 4 and 6.
"""

from __future__ import annotations

from collections.abc import Mapping
from struct import Struct

from pumice.protocol.http2.values import (
    ACK,
    END_HEADERS,
    GOAWAY,
    HAS_PRIORITY,
    HEADERS,
    MAX_WINDOW,
    PADDED,
    PING,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Code,
    ConnectionFault,
    Setting,
)

Frame = tuple[int, int, int, bytes]
"""Kind, flags, stream, payload."""

_HEAD = Struct("!IBI")  # the length (24 bits) and the kind are read as one number
_NUMBER = Struct("!I")
_SETTING = Struct("!HI")
_PRIORITY_BYTES = 5


class Splitter:
    """Takes frames out of a stream of bytes that begins with the preface.

    Args:
        largest: Largest payload that a peer may send (bytes).
    """

    __slots__ = ("_largest", "_need", "_parts", "_size", "begun")

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._parts: list[bytes] = []
        self._size = 0
        self._need = len(PREFACE)
        self.begun = False

    @property
    def half(self) -> int:
        """Bytes that are here of a frame, or of the preface, that is not whole."""
        return self._size

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes, and give the frames that are whole.

        Raises:
            ConnectionFault: These are no such bytes, or a frame is too large.
        """
        if self._parts:
            self._parts.append(data)
            self._size += len(data)
            if self._size < self._need:
                self._check_preface(b"".join(self._parts))
                return []
            data = b"".join(self._parts)
            self._parts, self._size = [], 0
        start = 0
        if not self.begun:
            self._check_preface(data)
            if len(data) < len(PREFACE):
                self._keep(data, len(PREFACE))
                return []
            self.begun, start = True, len(PREFACE)
        return self._split(data, start)

    def _split(self, data: bytes, at: int) -> list[Frame]:
        frames, end, largest = [], len(data), self._largest
        need = _HEAD.size
        while end - at >= _HEAD.size:
            length, flags, stream = _HEAD.unpack_from(data, at)
            kind, length = length & 0xFF, length >> 8
            if length > largest:
                raise ConnectionFault(Code.FRAME_SIZE_ERROR, f"a frame of {length} bytes; {largest} are allowed")
            after = at + _HEAD.size + length
            if after > end:
                need = after - at
                break
            frames.append((kind, flags, stream & MAX_WINDOW, data[at + _HEAD.size : after]))
            at = after
        if at < end:
            self._keep(data[at:], need)
        return frames

    def _keep(self, rest: bytes, need: int) -> None:
        self._parts, self._size, self._need = [rest], len(rest), need

    def _check_preface(self, data: bytes) -> None:
        if not self.begun and not data.startswith(PREFACE[: len(data)]):
            raise ConnectionFault(Code.PROTOCOL_ERROR, "these bytes do not begin an HTTP/2 connection")


def unpadded(kind: int, flags: int, payload: bytes) -> bytes:
    """Take the padding off a frame, and the priority off a head.

    Raises:
        ConnectionFault: There is more padding than frame.
    """
    start, end = 0, len(payload)
    if flags & PADDED:
        start, end = 1, end - payload[0] if payload else -1
    if kind == HEADERS and flags & HAS_PRIORITY:
        start += _PRIORITY_BYTES
    if end < start:
        raise ConnectionFault(Code.PROTOCOL_ERROR, "a frame is shorter than its padding or its priority")
    return payload[start:end]


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Write a frame."""
    return _HEAD.pack(len(payload) << 8 | kind, flags, stream) + payload


def frame_head(kind: int, flags: int, stream: int, length: int) -> bytes:
    """Write what stands before a frame's payload of some length (bytes)."""
    return _HEAD.pack(length << 8 | kind, flags, stream)


def headers_frame(stream: int, block: bytes, flags: int = 0) -> bytes:
    """Write a packed list of header fields; it must fit into one frame."""
    return frame(HEADERS, flags | END_HEADERS, stream, block)


def settings_frame(settings: Mapping[Setting, int]) -> bytes:
    """Write what we say of ourselves."""
    return frame(SETTINGS, 0, 0, b"".join(_SETTING.pack(*item) for item in settings.items()))


def read_settings(payload: bytes) -> list[tuple[int, int]]:
    """Read what a peer says of itself: numbers of settings and their values.

    Raises:
        ConnectionFault: It is not made of whole settings.
    """
    if len(payload) % _SETTING.size:
        raise ConnectionFault(Code.FRAME_SIZE_ERROR, "settings are six bytes each")
    return list(_SETTING.iter_unpack(payload))


def read_number(payload: bytes) -> int:
    """Read the only number of a frame.

    Raises:
        ConnectionFault: It is not four bytes.
    """
    if len(payload) != _NUMBER.size:
        raise ConnectionFault(Code.FRAME_SIZE_ERROR, f"a number of {len(payload)} bytes; expected 4")
    (number,) = _NUMBER.unpack(payload)
    return int(number)


def rst_frame(stream: int, code: int) -> bytes:
    """Write the abrupt end of a stream."""
    return frame(RST_STREAM, 0, stream, _NUMBER.pack(code))


def window_frame(stream: int, size: int) -> bytes:
    """Write that so many more bytes may come; stream 0: on all together."""
    return frame(WINDOW_UPDATE, 0, stream, _NUMBER.pack(size))


def ping_frame(payload: bytes, *, answer: bool = False) -> bytes:
    """Write a ping of eight bytes, or the answer to one."""
    return frame(PING, ACK if answer else 0, 0, payload)


def goaway_frame(last: int, code: int, why: str = "") -> bytes:
    """Write that no stream after ``last`` is taken."""
    return frame(GOAWAY, 0, 0, _NUMBER.pack(last) + _NUMBER.pack(code) + why.encode()[:200])


SETTINGS_ACK = frame(SETTINGS, ACK, 0, b"")
