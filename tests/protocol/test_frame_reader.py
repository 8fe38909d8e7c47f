"""Frames come out of the stream as they went in, however it was cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pumice.protocol.frame_reader import FrameReader, NonsenseReceived
from pumice.protocol.frames import PREFIX

frames = st.lists(st.tuples(st.binary(max_size=40), st.binary(max_size=40)), max_size=6)


@given(frames, st.lists(st.integers(1, 30), min_size=1))
def test_however_the_stream_is_cut(sent: list[tuple[bytes, bytes]], cuts: list[int]) -> None:
    stream = b"".join(PREFIX.pack(len(header), len(payload)) + header + payload for header, payload in sent)
    reader, got, turn = FrameReader(40), [], 0
    while stream:
        size = cuts[turn % len(cuts)]
        got += [(bytes(header), bytes(payload)) for header, payload in reader.feed(stream[:size])]
        stream, turn = stream[size:], turn + 1
    assert got == sent


def test_a_frame_that_comes_whole_is_not_copied() -> None:
    data = PREFIX.pack(2, 3) + b"hepay"
    [(header, payload)] = FrameReader(3).feed(data)
    assert (header.obj, payload.obj) == (data, data)
    assert header.obj is data


@pytest.mark.parametrize("prefix", [b"\xff" * PREFIX.size, PREFIX.pack(1, 41)])
def test_nonsense_is_told_at_once(prefix: bytes) -> None:
    with pytest.raises(NonsenseReceived):
        FrameReader(40).feed(prefix)
