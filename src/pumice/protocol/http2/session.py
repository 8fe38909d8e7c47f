"""A server's side of one HTTP/2 connection, without the socket: takes bytes, and calls what has come for whom.

Every limit that keeps a peer from taking more than it may is here; what takes time is looked at by whoever has a clock.

Source: RFC 9113; CVE-2019-9511 to 9518 and CVE-2023-44487 for what peers do on purpose.
"""

from __future__ import annotations

from collections.abc import Callable

from pumice.protocol.http2.frames import (
    SETTINGS_ACK,
    Splitter,
    goaway_frame,
    ping_frame,
    read_number,
    read_settings,
    rst_frame,
    settings_frame,
    unpadded,
    window_frame,
)
from pumice.protocol.http2.header_blocks import BlockReader, Fields
from pumice.protocol.http2.outgoing import Outgoing, S
from pumice.protocol.http2.values import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    FIRST_WINDOW,
    GOAWAY,
    HEADERS,
    LARGEST_MAX_FRAME,
    MAX_WINDOW,
    PADDED,
    PING,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    SMALLEST_MAX_FRAME,
    WINDOW_UPDATE,
    Code,
    ConnectionFault,
    Limits,
    Setting,
    StreamFault,
)

_PING_BYTES = 8
_FORGIVEN_FOR_ANSWER = 4
"""Frames that ask for no work, forgiven for each request that was answered: the peer may ping and give windows."""
_FORGIVEN_EACH = 4 * 1024
"""One more is forgiven for so much data that was sent (bytes)."""


class Session(Outgoing[S]):
    """A connection.

    Args:
        begin: Makes the stream of a new request.
        limits: What the peer may take.

    Attributes:
        settled: The peer has told its settings.
        leaving: No new streams are taken.
        in_block: A list of header fields is half here.
        pong: The payload of the last answer to a ping of ours.
        peer_leaves: The peer will open no more streams.
        taken: Frames that came whole, ever.
    """

    def __init__(self, begin: Callable[[int, Fields], S], limits: Limits) -> None:
        super().__init__(limits)
        self._begin = begin
        self._splitter = Splitter(limits.frame)
        self._blocks = BlockReader(limits.header_list_most)
        self._window_in = limits.connection_window
        self._calm = limits.idle_frames
        self._forgiven = 0
        self._highest = 0  # number of a stream that the peer has named
        self._pending: tuple[int, int, list[bytes]] | None = None
        self.settled = False
        self.leaving = False
        self.peer_leaves = False
        self.taken = 0
        self.pong = b""
        self._on: dict[int, Callable[[int, int, bytes], None]] = {
            DATA: self._data,
            HEADERS: self._headers,
            RST_STREAM: self._rst_stream,
            SETTINGS: self._settings,
            PING: self._ping,
            GOAWAY: self._goaway,
            WINDOW_UPDATE: self._window_update,
            CONTINUATION: self._continuation,
        }
        told = {
            Setting.MAX_CONCURRENT_STREAMS: limits.streams,
            Setting.INITIAL_WINDOW_SIZE: limits.window,
            Setting.MAX_FRAME_SIZE: limits.frame,
            Setting.MAX_HEADER_LIST_SIZE: limits.header_list,
        }
        self.out += (settings_frame(told), window_frame(0, limits.connection_window - FIRST_WINDOW))

    @property
    def half(self) -> bool:
        """Something has begun to come that is not whole: the preface, a frame, or header fields."""
        return not self.settled or self._splitter.half > 0 or self._pending is not None

    def receive(self, data: bytes) -> None:
        """Take bytes; what they ask for is begun, what there is to say is in `out`.

        Raises:
            ConnectionFault: The connection is to be ended by `fail`.
        """
        on = self._on
        frames = self._splitter.feed(data)
        self.taken += len(frames)
        for kind, flags, stream, payload in frames:
            if self._pending is not None and kind != CONTINUATION:
                raise ConnectionFault(Code.PROTOCOL_ERROR, "header fields are to be continued before anything else")
            if not self.settled and kind != SETTINGS:
                raise ConnectionFault(Code.PROTOCOL_ERROR, "the first frame is to be SETTINGS")
            take = on.get(kind)
            try:
                if take is not None:
                    take(flags, stream, payload)
                elif kind == PUSH_PROMISE:
                    raise ConnectionFault(Code.PROTOCOL_ERROR, "a client promises nothing")
                else:
                    self._spend()  # PRIORITY, which nobody uses any more, and what RFC 9113 does not know
            except StreamFault as fault:
                self._break(fault)

    def calm(self) -> None:
        """A second has passed: forgive some of what asked for no work."""
        self._calm = min(self._limits.idle_frames, self._calm + self._limits.idle_frames_per_second)

    def leave(self, *, last: bool) -> None:
        """Say that no new streams will be taken.

        Args:
            last: Those that are on their way will not be taken either.
        """
        self.leaving = last
        self.out.append(goaway_frame(self.last if last else MAX_WINDOW, Code.NO_ERROR))

    # -- frames

    def _headers(self, flags: int, stream: int, payload: bytes) -> None:
        if not stream & 1:
            raise ConnectionFault(Code.PROTOCOL_ERROR, f"a client opens no stream {stream}")
        block = unpadded(HEADERS, flags, payload)
        if flags & END_HEADERS:
            self._head(flags, stream, block)
        else:
            self._pending = stream, flags, [block]

    def _continuation(self, flags: int, stream: int, payload: bytes) -> None:
        if self._pending is None or self._pending[0] != stream:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "a continuation of nothing")
        _, first, blocks = self._pending
        blocks.append(payload)
        if len(blocks) > self._limits.continuations + 1 or sum(map(len, blocks)) > self._limits.header_block:
            raise ConnectionFault(Code.ENHANCE_YOUR_CALM, "header fields in too many or too large frames")
        if flags & END_HEADERS:
            self._pending = None
            self._head(first, stream, b"".join(blocks))

    def _head(self, flags: int, number: int, block: bytes) -> None:
        fields = self._blocks.read(block)  # also if nobody wants it: what comes after cannot be read without it
        ended = bool(flags & END_STREAM)
        if number <= self._highest:
            self._trailers(number, ended=ended)
            return
        self._highest = number
        if self.leaving:
            self._spend()  # it was told that this stream is not taken, or will be
            return
        self.last = number
        if len(self.streams) >= self._limits.streams:
            self._spend()
            raise StreamFault(number, Code.REFUSED_STREAM, "too many streams")
        if fields.problem:
            self._spend()
            raise StreamFault(number, Code.PROTOCOL_ERROR, fields.problem)
        stream = self._begin(number, fields)
        stream.window_in = self._limits.window
        stream.window_out = self.first_window_out
        stream.ended_in = ended
        self.streams[number] = stream
        stream.start()
        if ended and not stream.ended_out:
            stream.received(b"", ended=True)

    def _trailers(self, number: int, *, ended: bool) -> None:
        stream = self.streams.get(number)
        if stream is None:
            self._spend()  # of a stream that was broken off while they were on their way
            return
        if not ended or stream.ended_in:
            raise StreamFault(number, Code.PROTOCOL_ERROR, "header fields within a stream that do not end it")
        stream.ended_in = True
        stream.received(b"", ended=True)

    def _data(self, flags: int, number: int, payload: bytes) -> None:
        size = len(payload)
        self._window_in -= size
        if self._window_in < 0:
            raise ConnectionFault(Code.FLOW_CONTROL_ERROR, "more data than the connection's window")
        if self._window_in * 2 < self._limits.connection_window:
            # not held back here: one stream that waits must not stop the others
            self.out.append(window_frame(0, self._limits.connection_window - self._window_in))
            self._window_in = self._limits.connection_window
        stream = self.streams.get(number)
        if stream is None:
            self._closed(number)
            return
        if stream.ended_in:
            raise StreamFault(number, Code.STREAM_CLOSED, "data behind the end")
        stream.window_in -= size
        if stream.window_in < 0:
            raise StreamFault(number, Code.FLOW_CONTROL_ERROR, "more data than the stream's window")
        if flags & PADDED:
            payload = unpadded(DATA, flags, payload)
            self.credit(stream, size - len(payload))
        if flags & END_STREAM:
            stream.ended_in = True
            stream.received(payload, ended=True)
        elif payload:
            stream.received(payload, ended=False)
        else:
            self._spend()

    def _rst_stream(self, _flags: int, number: int, payload: bytes) -> None:
        read_number(payload)
        self._spend()
        stream = self.streams.get(number)
        if stream is None:
            self._closed(number)
            return
        self.forget(stream)
        stream.gone()

    def _settings(self, flags: int, number: int, payload: bytes) -> None:
        if number:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "settings are of the connection, not of a stream")
        if flags & ACK:
            if payload:
                raise ConnectionFault(Code.FRAME_SIZE_ERROR, "an acknowledgement says nothing more")
            return
        self._spend()
        self.settled = True
        for setting, value in read_settings(payload):
            self._set(setting, value)
        self.out.append(SETTINGS_ACK)

    def _set(self, setting: int, value: int) -> None:
        if setting == Setting.INITIAL_WINDOW_SIZE:
            if value > MAX_WINDOW:
                raise ConnectionFault(Code.FLOW_CONTROL_ERROR, "a window over 2^31-1")
            more = value - self.first_window_out
            self.first_window_out = value
            for stream in self.streams.values():
                stream.window_out += more
                if stream.window_out > MAX_WINDOW:
                    raise ConnectionFault(Code.FLOW_CONTROL_ERROR, "a window over 2^31-1")
            self.pump()
        elif setting == Setting.MAX_FRAME_SIZE:
            if not SMALLEST_MAX_FRAME <= value <= LARGEST_MAX_FRAME:
                raise ConnectionFault(Code.PROTOCOL_ERROR, "frames are at least 16,384 bytes, at most 2^24-1")
            self.max_frame_out = value
        elif setting == Setting.ENABLE_PUSH and value > 1:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "ENABLE_PUSH is 0 or 1")

    def _ping(self, flags: int, number: int, payload: bytes) -> None:
        if number:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "a ping is of the connection, not of a stream")
        if len(payload) != _PING_BYTES:
            raise ConnectionFault(Code.FRAME_SIZE_ERROR, "a ping has eight bytes")
        if flags & ACK:
            self.pong = payload
            return
        self._spend()
        self.out.append(ping_frame(payload, answer=True))

    def _goaway(self, _flags: int, number: int, payload: bytes) -> None:
        if number or len(payload) < _PING_BYTES:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "a farewell is of the connection, and has eight bytes")
        self._spend()
        self.peer_leaves = True

    def _window_update(self, _flags: int, number: int, payload: bytes) -> None:
        size = read_number(payload) & MAX_WINDOW
        self._spend()
        if not number:
            if not size:
                raise ConnectionFault(Code.PROTOCOL_ERROR, "a window is made larger by at least 1")
            self.window_out += size
            if self.window_out > MAX_WINDOW:
                raise ConnectionFault(Code.FLOW_CONTROL_ERROR, "a window over 2^31-1")
            self.pump()
            return
        stream = self.streams.get(number)
        if stream is None:
            self._closed(number)
            return
        if not size:
            raise StreamFault(number, Code.PROTOCOL_ERROR, "a window is made larger by at least 1")
        stream.window_out += size
        if stream.window_out > MAX_WINDOW:
            raise StreamFault(number, Code.FLOW_CONTROL_ERROR, "a window over 2^31-1")
        if number in self.waiting:
            self.pump()

    def _closed(self, number: int) -> None:
        """A frame is for a stream that is over; one that never was ends the connection."""
        if not number & 1 or number > self._highest:
            raise ConnectionFault(Code.PROTOCOL_ERROR, f"a frame for stream {number}, which was not opened")
        self._spend()

    def _spend(self) -> None:
        """Count a frame that asks for no work: a peer may send some, but not only such."""
        if self._calm <= 0:
            earned = self.answered * _FORGIVEN_FOR_ANSWER + self.sent // _FORGIVEN_EACH
            self._calm = min(self._limits.idle_frames, earned - self._forgiven)
            self._forgiven = earned
            if self._calm <= 0:
                raise ConnectionFault(Code.ENHANCE_YOUR_CALM, "too many frames that ask for no work")
        self._calm -= 1

    def _break(self, fault: StreamFault) -> None:
        self.out.append(rst_frame(fault.stream, fault.code))
        stream = self.streams.get(fault.stream)
        if stream is not None:
            self.forget(stream)
            stream.gone()
