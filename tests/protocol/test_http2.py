"""HTTP/2 without a socket, held against `h2` and `hpack`, which others keep."""

from __future__ import annotations

import h2.config
import h2.connection
import h2.events
import hpack
import pytest
from h2.settings import SettingCodes
from hypothesis import given
from hypothesis import strategies as st

from pumice.protocol.http2.frames import Splitter, frame
from pumice.protocol.http2.header_blocks import BlockReader, Fields, changes_table, literal
from pumice.protocol.http2.session import Session
from pumice.protocol.http2.streams import Stream
from pumice.protocol.http2.values import DATA, END_STREAM, PREFACE, Code, ConnectionFault, Limits
from tests.support.http2 import HEADERS, SETTINGS, head

HEAD = literal(b":status", b"200")
TAIL = literal(b"grpc-status", b"0")
LIMITS = Limits(window=70_000, connection_window=100_000, frame=20_000)


class Kept(Stream):
    """A stream that keeps what came, and is answered from outside."""

    def __init__(self, number: int, fields: Fields) -> None:
        super().__init__(number)
        self.fields = fields
        self.body = b""
        self.whole = self.lost = False

    def start(self) -> None:
        pass

    def received(self, piece: bytes, *, ended: bool) -> None:
        self.body += piece
        self.whole = ended

    def gone(self) -> None:
        self.lost = True

    def drained(self) -> None:
        pass


class Pair:
    """A session of ours and a client of `h2`, without a wire between them."""

    def __init__(self, window: int = 65_535) -> None:
        config = h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
        self.client = h2.connection.H2Connection(config)
        self.server: Session[Kept] = Session(Kept, LIMITS)
        self.seen: dict[int, Kept] = {}
        self.got: dict[int, bytes] = {}
        self.ended: set[int] = set()
        self.reset: dict[int, int] = {}
        self.client.initiate_connection()
        self.client.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: window})
        self.talk()

    def talk(self) -> None:
        """Let both say what they have to say."""
        while True:
            sent = self.client.data_to_send()
            if sent:
                self.server.receive(sent)
                self.seen |= self.server.streams
            answer = b"".join(self.server.out)
            self.server.out.clear()
            for event in self.client.receive_data(answer) if answer else []:
                self._take(event)
            if not sent and not answer:
                return

    def _take(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.DataReceived):
            self.got[event.stream_id] = self.got.get(event.stream_id, b"") + event.data
        elif isinstance(event, h2.events.StreamEnded):
            self.ended.add(event.stream_id)
        elif isinstance(event, h2.events.StreamReset):
            self.reset[event.stream_id] = int(event.error_code)

    def begin(self, stream: int, *, ended: bool = False) -> Kept:
        self.client.send_headers(stream, head(), end_stream=ended)
        self.talk()
        return self.seen[stream]


@given(st.lists(st.tuples(st.integers(0, 3), st.binary(max_size=5000)), max_size=8), st.lists(st.integers(1, 4000)))
def test_frames_come_out_whole_however_they_are_cut(sent: list[tuple[int, bytes]], cuts: list[int]) -> None:
    raw = PREFACE + b"".join(frame(DATA, flags, 1, payload) for flags, payload in sent)
    splitter, found, at = Splitter(16_384), [], 0
    for cut in [*cuts, len(raw)]:
        found += splitter.feed(raw[at : at + cut])
        at += cut
    assert [(flags, payload) for _, flags, _, payload in found] == sent
    assert splitter.half == 0


@given(st.lists(st.integers(0, 150_000), min_size=1, max_size=4), st.integers(2000, 200_000), st.data())
def test_answers_come_whole_and_never_beyond_the_windows(sizes: list[int], window: int, data: st.DataObject) -> None:
    """`h2` refuses whatever is beyond a window that it gave."""
    pair = Pair(window)
    bodies = {}
    for index, size in enumerate(sizes):
        stream = 2 * index + 1
        kept = pair.begin(stream, ended=True)
        bodies[stream] = bytes((stream,)) * size
        pair.server.answer(kept, HEAD, [bodies[stream][:5], bodies[stream][5:]], TAIL)
    given_back = dict.fromkeys(bodies, 0)
    while len(pair.ended) < len(bodies):
        pair.talk()
        for stream, got in list(pair.got.items()):
            more = len(got) - given_back[stream]
            if more and stream not in pair.ended:
                part = data.draw(st.integers(more // 2 + 1, more))
                pair.client.acknowledge_received_data(part, stream)
                given_back[stream] += part
            elif more:
                pair.client.increment_flow_control_window(more)
                given_back[stream] += more
    assert {stream: pair.got.get(stream, b"") for stream in bodies} == bodies
    assert not pair.server.streams
    assert not pair.server.waiting


@given(st.lists(st.integers(1, 20_000), min_size=1, max_size=30))
def test_requests_come_whole_and_their_windows_are_given_back(sizes: list[int]) -> None:
    pair = Pair()
    kept = pair.begin(1)
    sent = b""
    for index, size in enumerate(sizes):
        piece = bytes((index,)) * size
        sent += piece
        while piece:
            room = min(pair.client.local_flow_control_window(1), pair.client.max_outbound_frame_size)
            assert room > 0, "a window that was used up was not given back"
            before = len(kept.body)
            pair.client.send_data(1, piece[:room], pad_length=3 if room > 10 and len(piece) < room - 4 else None)
            piece = piece[room:]
            pair.talk()
            pair.server.credit(kept, len(kept.body) - before)
            pair.talk()
    pair.client.end_stream(1)
    pair.talk()
    assert kept.body == sent
    assert kept.whole


def test_a_stream_that_is_not_credited_is_held_back_and_the_others_are_not() -> None:
    pair = Pair()
    held, free = pair.begin(1), pair.begin(3)
    room = pair.client.local_flow_control_window(1)
    while room:
        pair.client.send_data(1, bytes(min(room, 16_384)))
        pair.talk()
        room = pair.client.local_flow_control_window(1)
    assert len(held.body) == LIMITS.window
    for _ in range(20):
        pair.client.send_data(3, bytes(16_384))
        pair.talk()
        pair.server.credit(free, 16_384)
        pair.talk()
    assert len(free.body) == 20 * 16_384


@pytest.mark.parametrize(("each", "ends"), [(LIMITS.window + 1, False), (LIMITS.connection_window // 2 + 1, True)])
def test_more_data_than_a_window(each: int, ends: bool) -> None:
    server: Session[Kept] = Session(Kept, LIMITS)
    server.receive(PREFACE + frame(SETTINGS, 0, 0, b""))
    encoder = hpack.Encoder()
    pieces = []
    for stream in (1, 3):
        pieces.append(frame(HEADERS, 4, stream, encoder.encode(head())))
        pieces += [frame(DATA, 0, stream, bytes(min(20_000, each - at))) for at in range(0, each, 20_000)]
        if not ends:
            break
    if not ends:
        server.receive(b"".join(pieces))
        assert not server.streams
        assert bytes((0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, Code.FLOW_CONTROL_ERROR)) in b"".join(server.out)
        return
    server = Session(Kept, Limits(window=70_000, connection_window=100_000, frame=20_000))
    server._window_in = 10_000  # as if what came before had not been given back
    with pytest.raises(ConnectionFault) as caught:
        server.receive(PREFACE + frame(SETTINGS, 0, 0, b"") + b"".join(pieces))
    assert caught.value.code is Code.FLOW_CONTROL_ERROR


def test_an_answer_before_the_end_of_the_request_says_that_the_rest_is_not_wanted() -> None:
    pair = Pair()
    kept = pair.begin(1)
    pair.server.end(kept, HEAD + TAIL)
    pair.talk()
    assert pair.ended == {1}
    assert pair.reset == {1: Code.NO_ERROR}


def test_after_the_farewell_no_stream_is_taken_and_those_before_go_on() -> None:
    pair = Pair()
    kept = pair.begin(1)
    encoder = hpack.Encoder()
    pair.server.leave(last=True)
    pair.server.receive(
        frame(HEADERS, 4, 3, encoder.encode(head())) + frame(DATA, 0, 3, b"late") + frame(DATA, END_STREAM, 1, b"more")
    )
    assert list(pair.server.streams) == [1]
    assert kept.body == b"more"


def test_a_peer_that_breaks_off_is_heard() -> None:
    pair = Pair()
    kept = pair.begin(1)
    pair.client.reset_stream(1)
    pair.talk()
    assert kept.lost
    assert not pair.server.streams


NAMES = st.sampled_from([b"x-a", b"x-b", b"grpc-timeout", b":path", b"accept", b"x-" + b"n" * 50])
PAIRS = st.lists(st.tuples(NAMES, st.binary(max_size=60), st.booleans()), max_size=6)


@given(st.lists(st.tuples(PAIRS, st.booleans(), st.integers(0, 3)), max_size=12), st.lists(st.integers(0, 400)))
def test_blocks_read_as_if_none_were_remembered(
    lists: list[tuple[list[tuple[bytes, bytes, bool]], bool, int]], sizes: list[int]
) -> None:
    encoder, plain, reader = hpack.Encoder(), hpack.Decoder(), BlockReader(65_536)
    for index, (pairs, huffman, again) in enumerate(lists):
        if index < len(sizes):
            encoder.header_table_size = sizes[index]
        for _ in range(again + 1):
            fields = [hpack.NeverIndexedHeaderTuple(*pair[:2]) if pair[2] else pair[:2] for pair in pairs]
            block = encoder.encode(fields, huffman=huffman)
            before = list(plain.header_table.dynamic_entries), plain.header_table.maxsize
            expected = [(bytes(name), bytes(value)) for name, value in plain.decode(block, raw=True)]
            after = list(plain.header_table.dynamic_entries), plain.header_table.maxsize
            assert changes_table(block) or before == after
            assert reader.read(block).pairs == expected


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_what_we_pack_is_read_as_it_was(name: bytes, value: bytes) -> None:
    block = literal(name, value) * 2
    decoder = hpack.Decoder()
    assert [(bytes(a), bytes(b)) for a, b in decoder.decode(block, raw=True)] == [(name, value)] * 2
    assert not decoder.header_table.dynamic_entries
