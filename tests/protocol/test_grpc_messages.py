"""Messages of gRPC over any number of pieces, their compression, and what heads and trailers say."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pumice.protocol.grpc.heads import HeadFault, read_head, read_timeout
from pumice.protocol.grpc.messages import MessageFault, MessageReader, packed, prefixed, unpacked
from pumice.protocol.grpc.status import StatusCode, percent_encoded, tail
from pumice.protocol.http2.header_blocks import Fields

CODING = st.sampled_from([b"", b"gzip", b"deflate"])


@given(st.lists(st.binary(max_size=9000), max_size=6), st.sampled_from([b"gzip", b"deflate"]), st.data())
def test_messages_come_out_whole_however_they_are_cut(sent: list[bytes], coding: bytes, data: st.DataObject) -> None:
    raw = b"".join(b"".join(prefixed(each, data.draw(st.sampled_from([b"", coding])))) for each in sent)
    reader, found, at = MessageReader(coding, 10_000), [], 0
    while at < len(raw):
        cut = data.draw(st.integers(1, 6000))
        found += reader.feed(raw[at : at + cut])
        at += cut
    assert found == sent
    assert reader.held == 0


def test_a_message_byte_by_byte_takes_no_more_than_its_size() -> None:
    reader = MessageReader(b"", 100_000)
    raw = b"".join(prefixed(bytes(50_000)))
    for byte in raw[:-1]:
        assert reader.feed(bytes((byte,))) == []
    assert len(reader._parts) < 20
    assert reader.feed(raw[-1:]) == [bytes(50_000)]


@pytest.mark.parametrize("coding", [b"gzip", b"deflate"])
def test_a_limit_holds_before_and_after_unpacking(coding: bytes) -> None:
    assert unpacked(packed(bytes(1000), coding), coding, 1000) == bytes(1000)
    with pytest.raises(MessageFault) as caught:
        unpacked(packed(bytes(1001), coding), coding, 1000)
    assert caught.value.too_large
    with pytest.raises(MessageFault) as caught:
        MessageReader(b"", 1000).feed(prefixed(bytes(1001))[0])
    assert caught.value.too_large


@pytest.mark.parametrize("spoil", [b"", b"\0", b"more"])
def test_compressed_bytes_that_are_not(spoil: bytes) -> None:
    whole = packed(b"text" * 100, b"gzip")
    with pytest.raises(MessageFault):
        unpacked(whole[:-4] if not spoil else whole + spoil, b"gzip", 1000)


def test_a_marked_message_needs_a_coding() -> None:
    with pytest.raises(MessageFault) as caught:
        MessageReader(b"", 100).feed(b"\1\0\0\0\0")
    assert caught.value.unknown


@pytest.mark.parametrize(
    ("text", "seconds"), [(b"1H", 3600), (b"2M", 120), (b"3S", 3), (b"400m", 0.4), (b"5u", 5e-6), (b"99999999n", 0.1)]
)
def test_timeouts(text: bytes, seconds: float) -> None:
    assert read_timeout(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", [b"", b"S", b"1", b"-1S", b"1.5S", b"123456789S", b"1s", "１S".encode()])
def test_timeouts_that_are_none(text: bytes) -> None:
    with pytest.raises(HeadFault):
        read_timeout(text)


def test_a_head_without_te_is_taken() -> None:
    fields = [(b":method", b"POST"), (b":path", b"/a/B"), (b"content-type", b"application/grpc+proto")]
    assert read_head(Fields(fields)).path == "/a/B"


@given(st.text(max_size=100))
def test_messages_of_statuses_survive_the_trailers(text: str) -> None:
    told = text.encode("utf-8", "replace")
    encoded = percent_encoded(text)
    assert all(0x20 <= byte < 0x7F for byte in encoded)
    assert unquote_to_bytes(encoded) == told


def test_trailers_carry_metadata() -> None:
    block = tail(StatusCode.NOT_FOUND, "no é", (("retry-after", "1"), ("x-bin", b"\0\1")))
    told = {str(name): str(value) for name, value in hpack.Decoder().decode(block)}
    assert told == {"grpc-status": "5", "grpc-message": "no %C3%A9", "retry-after": "1", "x-bin": "AAE"}
