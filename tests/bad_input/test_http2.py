"""What a peer of HTTP/2 may not do, does too slowly, or does too often; what is odd but right is taken."""

from __future__ import annotations

import gzip
import struct
import time
from collections.abc import Callable

import numpy as np
import pytest
from hyperframe.frame import DataFrame

from pumice.protocol.oip.proto import open_inference_pb2 as pb
from tests.bad_input.raw import memory_of
from tests.support.http2 import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    INFER,
    LIVE,
    PADDED,
    PING,
    PREFACE,
    PRIORITY,
    PUSH,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Peer,
    frame,
    head,
    message,
)
from tests.support.server import RunningServer
from tests.support.wire import metric, until

NO_ERROR, PROTOCOL, FLOW_CONTROL, STREAM_CLOSED, FRAME_SIZE = 0, 1, 3, 5, 6
REFUSED, CANCEL, COMPRESSION, CALM = 7, 8, 9, 11
FLOOD = 15_000
WINDOW = 1024 * 1024


def number(value: int) -> bytes:
    return struct.pack("!I", value)


def setting(name: int, value: int) -> bytes:
    return struct.pack("!HI", name, value)


def good(model: str = "double") -> bytes:
    asked = pb.ModelInferRequest(model_name=model, raw_input_contents=[np.ones(4, np.float32).tobytes()])
    asked.inputs.add(name="x", datatype="FP32", shape=[1, 4])
    return asked.SerializeToString()


def doubled(body: bytes) -> bool:
    answer = pb.ModelInferResponse.FromString(body[5:])
    return bool((np.frombuffer(answer.raw_output_contents[0], np.float32) == 2).all())


# -- what ends the connection


@pytest.mark.parametrize(
    ("code", "sent"),
    [
        (PROTOCOL, frame(DATA, END_STREAM, 0, b"x")),
        (PROTOCOL, frame(DATA, END_STREAM, 1, b"x")),
        (PROTOCOL, frame(HEADERS, END_HEADERS, 2, b"\x82")),
        (PROTOCOL, frame(HEADERS, END_HEADERS, 0, b"\x82")),
        (PROTOCOL, frame(HEADERS, END_HEADERS | PADDED, 1, b"\x09\x82")),
        (PROTOCOL, frame(CONTINUATION, END_HEADERS, 1, b"\x82")),
        (PROTOCOL, frame(HEADERS, 0, 1, b"\x82") + frame(PING, 0, 0, bytes(8))),
        (PROTOCOL, frame(HEADERS, 0, 1, b"\x82") + frame(CONTINUATION, END_HEADERS, 3, b"\x84")),
        (PROTOCOL, frame(PUSH, END_HEADERS, 1, bytes(4))),
        (PROTOCOL, frame(RST_STREAM, 0, 1, number(8))),
        (PROTOCOL, frame(WINDOW_UPDATE, 0, 1, number(8))),
        (PROTOCOL, frame(WINDOW_UPDATE, 0, 0, number(0))),
        (PROTOCOL, frame(SETTINGS, 0, 1, b"")),
        (PROTOCOL, frame(SETTINGS, 0, 0, setting(5, 100))),
        (PROTOCOL, frame(SETTINGS, 0, 0, setting(2, 2))),
        (FRAME_SIZE, frame(SETTINGS, 0, 0, b"12345")),
        (FRAME_SIZE, frame(SETTINGS, 1, 0, bytes(6))),
        (FRAME_SIZE, frame(PING, 0, 0, b"1234567")),
        (FRAME_SIZE, frame(RST_STREAM, 0, 1, b"123")),
        (FRAME_SIZE, b"\xff\xff\xff\x00\x00\x00\x00\x00\x01"),
        (FLOW_CONTROL, frame(SETTINGS, 0, 0, setting(4, 2**31))),
        (FLOW_CONTROL, frame(WINDOW_UPDATE, 0, 0, number(2**31 - 1))),
        (COMPRESSION, frame(HEADERS, END_HEADERS, 1, b"\xff\xff\xff\xff\xff")),
        (COMPRESSION, frame(HEADERS, END_HEADERS, 1, b"\xbf")),
        (PROTOCOL, frame(PING, 0, 1, bytes(8))),
    ],
)
def test_what_is_not_http2_ends_the_connection_and_says_why(small: RunningServer, code: int, sent: bytes) -> None:
    with Peer(small.grpc) as peer:
        peer.send(sent)
        told = peer.farewell()
        assert told.error_code == code
        assert told.additional_data


@pytest.mark.parametrize(
    "begin", [b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", PREFACE + frame(PING, 0, 0, bytes(8))]
)
def test_what_does_not_begin_as_http2(small: RunningServer, begin: bytes) -> None:
    with Peer(small.grpc, begin) as peer:
        assert peer.farewell().error_code == PROTOCOL


# -- what is too slow


@pytest.mark.parametrize(
    "begin",
    [
        b"",
        PREFACE[:10],
        PREFACE,
        PREFACE + frame(SETTINGS, 0, 0) + b"\0\0",
        PREFACE + frame(SETTINGS, 0, 0) + frame(HEADERS, 0, 1, b"\x82"),
        PREFACE + frame(SETTINGS, 0, 0) + frame(PING, 0, 0, bytes(8))[:-1],
    ],
)
def test_half_of_something_is_not_waited_for(small: RunningServer, begin: bytes) -> None:
    with Peer(small.grpc, begin) as peer:
        assert peer.farewell().error_code == CALM


def test_a_message_that_does_not_come_ends_its_call_alone(small: RunningServer) -> None:
    with Peer(small.grpc) as peer:
        peer.begin(1)
        peer.send(frame(DATA, 0, 1, message(bytes(100))[:50]))
        fields, _ = peer.answer(1)
        assert fields["grpc-status"] == "4"
        assert "1 s" in fields["grpc-message"]
        assert peer.alive(3)


def test_an_answer_that_nobody_takes_is_not_kept(small: RunningServer) -> None:
    with Peer(small.grpc, PREFACE + frame(SETTINGS, 0, 0, setting(4, 0))) as peer:
        peer.call(1, INFER, good())
        assert peer.broken(1) == CANCEL
        peer.send(frame(SETTINGS, 0, 0, setting(4, 65535)))
        assert peer.alive(3)


def test_half_an_answer_never_looks_whole(small: RunningServer) -> None:
    with Peer(small.grpc, PREFACE + frame(SETTINGS, 0, 0, setting(4, 3))) as peer:
        peer.begin(1, head(INFER, ("grpc-timeout", "300m")))
        peer.send(frame(DATA, END_STREAM, 1, message(good())))
        assert peer.broken(1) == CANCEL
        peer.send(frame(SETTINGS, 0, 0, setting(4, 65535)))
        assert peer.alive(3)


# -- what is too much


def flood(server: RunningServer, one: Callable[[int], bytes]) -> int:
    """Send a kind of frame again and again without reading; returns how the server ends it."""
    before = memory_of(server.addresses.pid)
    with Peer(server.grpc) as peer:
        for start in range(0, FLOOD, 500):
            if not peer.try_send(b"".join(map(one, range(start, start + 500)))):
                break
        code = peer.farewell().error_code
    assert memory_of(server.addresses.pid) - before < 30_000_000
    return code


@pytest.mark.parametrize(
    "sent",
    [
        frame(PING, 0, 0, bytes(8)),
        frame(SETTINGS, 0, 0),
        frame(SETTINGS, 0, 0, setting(4, 1) * 10),
        frame(PRIORITY, 0, 1, bytes(5)),
        frame(0xBE, 0, 0),
        frame(WINDOW_UPDATE, 0, 0, number(1)),
    ],
)
def test_frames_that_ask_for_nothing(small: RunningServer, sent: bytes) -> None:
    assert flood(small, lambda _: sent) == CALM


def test_calls_that_are_begun_only_to_be_broken_off(small: RunningServer) -> None:
    with Peer(small.grpc) as maker:
        block = maker.encoder.encode([(name, value) for name, value in head(INFER)], huffman=False)
        first, again = block, maker.encoder.encode(head(INFER))

    def one(index: int) -> bytes:
        stream = 2 * index + 1
        opening = frame(HEADERS, END_HEADERS, stream, again if index else first)
        return (
            opening + frame(DATA, END_STREAM, stream, message(good("gated"))) + frame(RST_STREAM, 0, stream, number(8))
        )

    assert flood(small, one) == CALM
    until(lambda: metric(small.url, "pumice_inflight_requests") == 0)


def test_data_without_bytes(small: RunningServer) -> None:
    with Peer(small.grpc) as peer:
        peer.begin(1)
        for _ in range(30):
            if not peer.try_send(frame(DATA, 0, 1) * 500):
                break
        assert peer.farewell().error_code == CALM


def test_header_fields_without_end(small: RunningServer) -> None:
    with Peer(small.grpc) as peer:
        peer.send(frame(HEADERS, 0, 1, b"\x82"))
        for _ in range(20):
            if not peer.try_send(frame(CONTINUATION, 0, 1, b"\x00\x01a\x01b")):
                break
        assert peer.farewell().error_code == CALM


def test_header_fields_that_unpack_to_far_more(small: RunningServer) -> None:
    insert = b"\x40\x01a\x7f\x81\x1e" + b"b" * 4000  # one entry of 4000 bytes, named again and again below
    before = memory_of(small.addresses.pid)
    with Peer(small.grpc) as peer:
        peer.send(frame(HEADERS, END_HEADERS, 1, insert + b"\xbe" * 10_000))
        assert peer.farewell().error_code == CALM
    assert memory_of(small.addresses.pid) - before < 30_000_000


def test_metadata_over_their_limit_cost_the_call_only(small: RunningServer) -> None:
    with Peer(small.grpc) as peer:
        assert peer.settings()[6] == 16 * 1024
        peer.begin(1, head(LIVE, ("x-much", "a" * 20_000)), END_HEADERS | END_STREAM)
        assert peer.answer(1)[0]["grpc-status"] == "8"
        assert peer.alive(3)


def test_more_streams_than_are_allowed(small: RunningServer) -> None:
    with Peer(small.grpc) as peer:
        most = peer.settings()[3]
        for index in range(most + 1):
            peer.begin(2 * index + 1)
        assert peer.broken(2 * most + 1) == REFUSED


def test_a_window_that_grows_too_large(small: RunningServer) -> None:
    stream = "/inference.GRPCInferenceService/ModelStreamInfer"
    with Peer(small.grpc) as peer:
        assert peer.settings()[4] == WINDOW
        peer.begin(1, head(stream))
        peer.send(frame(WINDOW_UPDATE, 0, 1, number(2**31 - 1)))
        assert peer.broken(1) == FLOW_CONTROL
        assert peer.alive(3)


def test_messages_that_are_half_here_share_one_budget(small: RunningServer) -> None:
    with Peer(small.grpc) as peer:
        part = message(bytes(3_900_000))[:3_800_000]
        for stream in range(1, 11, 2):
            peer.begin(stream)
            peer.send(*(frame(DATA, 0, stream, part[at : at + 16_000]) for at in range(0, len(part), 16_000)))
        # the others end since the rest of them does not come
        assert "14" in peer.statuses(5)
    until(lambda: _is_well(small))


def _is_well(server: RunningServer) -> bool:
    with Peer(server.grpc) as peer:
        return peer.alive(1)


def test_more_connections_than_are_allowed(small: RunningServer) -> None:
    peers = [Peer(small.grpc) for _ in range(40)]
    try:
        for peer in peers:
            peer.settings()
        with Peer(small.grpc) as one_more:
            told = one_more.farewell()
            assert told.error_code == CALM
            assert b"40 connections" in told.additional_data
        assert peers[0].alive(1)
    finally:
        for peer in peers:
            peer.socket.close()
    until(lambda: _is_well(small))


# -- what ends one call


@pytest.mark.parametrize(
    "fields",
    [
        [*head(), ("Upper", "x")],
        [*head(), ("connection", "close")],
        [*head(), (":path", "/x")],
        [*head(), (":odd", "x")],
        [*head(), ("x", "a\r\nb: c")],
        [*head(), ("te", "gzip")],
        head()[1:],
        head()[:2] + head()[3:],
    ],
)
def test_heads_that_http2_forbids(small: RunningServer, fields: list[tuple[str, str]]) -> None:
    with Peer(small.grpc) as peer:
        peer.begin(1, fields)
        assert peer.broken(1) == PROTOCOL
        assert peer.alive(3)


@pytest.mark.parametrize(
    ("fields", "name", "value"),
    [
        (head(kind="application/json"), ":status", "415"),
        (head(kind="application/grpcx"), ":status", "415"),
        (head(method="GET"), ":status", "405"),
        (head("/nowhere/Nothing"), "grpc-status", "12"),
        (head(INFER, ("grpc-timeout", "1x")), "grpc-status", "3"),
        (head(INFER, ("grpc-timeout", "123456789S")), "grpc-status", "3"),
        (head(INFER, ("grpc-encoding", "snappy")), "grpc-status", "12"),
    ],
)
def test_heads_that_grpc_refuses(small: RunningServer, fields: list[tuple[str, str]], name: str, value: str) -> None:
    with Peer(small.grpc) as peer:
        peer.begin(1, fields)
        assert peer.answer(1)[0][name] == value
        assert peer.alive(3)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", "3"),
        (b"\0\0", "3"),
        (message(good()) + message(good()), "3"),
        (message(good()) + b"\0", "3"),
        (b"\2" + message(good())[1:], "3"),
        (message(good(), mark=1), "3"),
        (message(gzip.compress(good(), mtime=0)[:-3], mark=1), "3"),
        (message(gzip.compress(bytes(5_000_000), mtime=0), mark=1), "8"),
        (b"\0\xff\xff\xff\xff", "8"),
    ],
)
def test_messages_that_are_none(small: RunningServer, sent: bytes, status: str) -> None:
    with Peer(small.grpc) as peer:
        peer.begin(1, head(INFER, ("grpc-encoding", "gzip")))
        peer.send(frame(DATA, END_STREAM, 1, sent))
        assert peer.answer(1)[0]["grpc-status"] == status
        assert peer.alive(3)


def test_data_behind_the_end(small: RunningServer) -> None:
    with Peer(small.grpc) as peer:
        peer.begin(1)
        whole = frame(DATA, END_STREAM, 1, message(good("gated")))
        peer.send(whole + frame(DATA, 0, 1, b"more"))
        assert peer.broken(1) == STREAM_CLOSED
        assert peer.alive(3)


# -- what is odd but right


def test_a_call_in_the_smallest_pieces(small: RunningServer) -> None:
    with Peer(small.grpc) as peer:
        block = peer.encoder.encode(head())
        third = len(block) // 3
        sent = frame(HEADERS, PADDED, 1, b"\x05" + block[:third] + bytes(5))
        sent += frame(CONTINUATION, 0, 1, block[third:-third]) + frame(CONTINUATION, END_HEADERS, 1, block[-third:])
        sent += b"".join(frame(DATA, PADDED, 1, b"\x02" + bytes((byte,)) + bytes(2)) for byte in message(good()))
        sent += frame(0xFE, 0xFF, 1, b"?") + frame(DATA, END_STREAM, 1)
        for byte in sent:
            peer.send(bytes((byte,)))
        fields, body = peer.answer(1)
        assert fields["grpc-status"] == "0"
        assert fields["x-model-version"] == "1"
        assert doubled(body)


def test_a_call_that_ends_with_trailers(small: RunningServer) -> None:
    with Peer(small.grpc) as peer:
        peer.begin(1)
        peer.send(frame(DATA, 0, 1, message(good())))
        peer.begin(1, [("x-end", "1")], END_HEADERS | END_STREAM)
        assert doubled(peer.answer(1)[1])


def test_many_calls_in_one_piece_are_answered(small: RunningServer) -> None:
    with Peer(small.grpc) as peer:
        sent = b""
        for stream in range(1, 101, 2):
            sent += frame(HEADERS, END_HEADERS, stream, peer.encoder.encode(head()))
            sent += frame(DATA, END_STREAM, stream, message(good()))
        peer.send(sent)
        ended = set()
        for got in peer.frames():
            if "END_STREAM" in got.flags:
                ended.add(got.stream_id)
            if len(ended) == 50:
                break
        assert ended == set(range(1, 101, 2))


def test_an_answer_waits_for_the_window(small: RunningServer) -> None:
    with Peer(small.grpc, PREFACE + frame(SETTINGS, 0, 0, setting(4, 3))) as peer:
        peer.call(1, INFER, good())
        began = time.monotonic()
        peer.until(lambda got: isinstance(got, DataFrame) and len(got.data) == 3)
        peer.send(frame(WINDOW_UPDATE, 0, 1, number(1000)))
        assert peer.answer(1)[0]["grpc-status"] == "0"
        assert time.monotonic() - began < 20
