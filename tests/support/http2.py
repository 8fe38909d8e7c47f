"""A peer on a raw socket that speaks HTTP/2 as right or wrong as a test wants; `hyperframe` reads the answers."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

import hpack
from hyperframe.frame import DataFrame, Frame, GoAwayFrame, HeadersFrame, RstStreamFrame, SettingsFrame

from tests.support.sockets import RawSocket

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, END_HEADERS, PADDED = 1, 4, 8
LIMIT_S = 30.0
INFER = "/inference.GRPCInferenceService/ModelInfer"
LIVE = "/inference.GRPCInferenceService/ServerLive"


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack("!I", len(payload))[1:] + struct.pack("!BBI", kind, flags, stream) + payload


def head(path: str = INFER, *more: tuple[str, str], **other: str) -> list[tuple[str, str]]:
    """The header fields of a call; ``method`` and ``kind`` may be others."""
    return [
        (":method", other.get("method", "POST")),
        (":scheme", "http"),
        (":path", path),
        (":authority", "test"),
        ("te", "trailers"),
        ("content-type", other.get("kind", "application/grpc")),
        *more,
    ]


def message(body: bytes, mark: int = 0) -> bytes:
    return struct.pack("!BI", mark, len(body)) + body


class Peer(RawSocket):
    """A connection; use it in a ``with`` block.

    Attributes:
        encoder: Packs the header fields that are sent.
    """

    def __init__(self, address: str, begin: bytes = PREFACE + frame(SETTINGS, 0, 0)) -> None:
        host, _, port = address.rpartition(":")
        super().__init__((host, int(port)), LIMIT_S)
        self.encoder = hpack.Encoder()
        self._decoder = hpack.Decoder()
        self.send(begin)

    def begin(self, stream: int, fields: list[tuple[str, str]] | None = None, flags: int = END_HEADERS) -> None:
        """Send the head of a call."""
        self.send(frame(HEADERS, flags, stream, self.encoder.encode(fields or head())))

    def call(self, stream: int, path: str, body: bytes) -> None:
        """Send a whole call."""
        self.begin(stream, head(path))
        self.send(frame(DATA, END_STREAM, stream, message(body)))

    def frames(self) -> Iterator[Frame]:
        """The frames of the other side, until it closes."""
        while True:
            while len(self._buffer) >= 9:
                got, length = Frame.parse_frame_header(memoryview(self._buffer[:9]))
                if len(self._buffer) < 9 + length:
                    break
                got.parse_body(memoryview(self._buffer[9 : 9 + length]))
                self._buffer = self._buffer[9 + length :]
                yield got
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                return
            if not data:
                return
            self._buffer += data

    def until(self, wanted: Callable[[Frame], bool]) -> Frame:
        for got in self.frames():
            if wanted(got):
                return got
            if isinstance(got, HeadersFrame):
                self._read(got)
        raise AssertionError("closed before")

    def farewell(self) -> GoAwayFrame:
        """Why the other side ends the connection; it closes it after that."""
        told = None
        for got in self.frames():
            told = got if isinstance(got, GoAwayFrame) else told
        assert told is not None, "closed without a word"
        return told

    def broken(self, stream: int) -> int:
        """Why the other side breaks a stream off."""
        got = self.until(lambda got: isinstance(got, RstStreamFrame) and got.stream_id == stream)
        assert isinstance(got, RstStreamFrame)
        return got.error_code

    def answer(self, stream: int) -> tuple[dict[str, str], bytes]:
        """Header fields and trailers of an answer together, and its body."""
        fields: dict[str, str] = {}
        body = b""
        for got in self.frames():
            if isinstance(got, HeadersFrame):
                pairs = self._read(got)
                if got.stream_id == stream:
                    fields |= pairs
            elif isinstance(got, DataFrame) and got.stream_id == stream:
                body += got.data
            elif isinstance(got, RstStreamFrame) and got.stream_id == stream:
                break
            if got.stream_id == stream and "END_STREAM" in got.flags:
                break
        return fields, body

    def _read(self, got: HeadersFrame) -> dict[str, str]:
        return {str(name): str(value) for name, value in self._decoder.decode(got.data)}

    def statuses(self, count: int) -> list[str]:
        """How the next so many calls ended, whichever they are."""
        found: list[str] = []
        for got in self.frames():
            if isinstance(got, HeadersFrame):
                found += [value for name, value in self._read(got).items() if name == "grpc-status"]
            if len(found) == count:
                break
        return found

    def alive(self, stream: int) -> bool:
        """Whether the connection still answers a call."""
        self.call(stream, LIVE, b"")
        return self.answer(stream)[0]["grpc-status"] == "0"

    def settings(self) -> dict[int, int]:
        """What the other side says of itself."""
        got = self.until(lambda got: isinstance(got, SettingsFrame) and "ACK" not in got.flags)
        assert isinstance(got, SettingsFrame)
        return dict(got.settings)
