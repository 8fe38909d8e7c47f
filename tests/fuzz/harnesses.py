"""A harness for each parser: takes any bytes, lets nothing out but the errors that a caller may be told."""

# ruff: noqa: E501 - a seed reads best on one line

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
import numpy as np

from pumice.config import load_settings
from pumice.domain.datatypes import NUMPY_TYPES
from pumice.domain.errors import PumiceError
from pumice.domain.model import parse_manifest
from pumice.domain.signature import Signature, Tensor
from pumice.gateway import headers
from pumice.gateway.http import compression
from pumice.protocol import frames, json_keys, kserve_v1, safe_yaml, stream_frames
from pumice.protocol.frame_reader import FrameReader, NonsenseReceived
from pumice.protocol.frames import PREFIX
from pumice.protocol.grpc.heads import HeadFault, read_head
from pumice.protocol.grpc.messages import MessageFault, MessageReader
from pumice.protocol.http2.frames import Splitter
from pumice.protocol.http2.header_blocks import BlockReader, Fields, literal
from pumice.protocol.http2.session import Session
from pumice.protocol.http2.streams import Stream
from pumice.protocol.http2.values import PREFACE, ConnectionFault, Limits
from pumice.protocol.oip import client_codec, flat_json, generate, grpc_codec, json_codec, shared, tensors
from pumice.protocol.oip.grpc_heads import Heads
from pumice.protocol.oip.proto import open_inference_pb2 as pb

LIMIT = 1 << 20
FLOATS = Signature([Tensor("x", "FP32", [-1, 2])], [Tensor("y", "FP32", [-1, 2])])
TEXTS = Signature([Tensor("x", "BYTES", [-1])], [Tensor("y", "BYTES", [-1])])
_flat = flat_json.FlatReader(FLOATS)
_names = list(NUMPY_TYPES)


def flat(data: bytes) -> None:
    """What the quick reader takes, the thorough one takes too, and reads the same out of it."""
    quick = _flat.read(data)
    if quick is not None:
        thorough = json_codec.decode_infer(data)
        assert quick.request.parameters == thorough.request.parameters
        for name, array in quick.request.inputs.items():
            np.testing.assert_array_equal(array, thorough.request.inputs[name], strict=True)


def binary(data: bytes) -> None:
    if data:
        json_codec.decode_infer(data[1:], data[0])
        json_codec.decode_raw(data, FLOATS)


def tensor(data: bytes) -> None:
    if len(data) > 4:
        name = _names[data[0] % len(_names)]
        array = tensors.from_bytes("x", name, (data[1] % 5, data[2] % 5)[: data[3] % 3], data[4:])
        assert tensors.to_bytes(array) == data[4:]


def kserve(data: bytes) -> None:
    for signature in (FLOATS, TEXTS):
        with suppress(PumiceError):
            kserve_v1.decode_predict(data, "m", signature)


def grpc_message(data: bytes) -> None:
    grpc_codec.read_infer(grpc_codec.parse_message(pb.ModelInferRequest, data))


def answer(data: bytes) -> None:
    client_codec.decode_answer(data, None)
    client_codec.decode_answer(data, len(data) // 2)


def frame(data: bytes) -> None:
    """What a replica sends is not trusted either: its end of the socket is where a model's code runs."""
    with suppress(msgspec.DecodeError, UnicodeDecodeError):
        frames.decode_reply(data)


def framing(data: bytes) -> None:
    reader, half = FrameReader(LIMIT), len(data) // 2
    with suppress(NonsenseReceived):
        got = reader.feed(data[:half]) + reader.feed(data[half:])
        assert sum(PREFIX.size + len(header) + len(payload) for header, payload in got) <= len(data)


def stream_frame(data: bytes) -> None:
    for decode in (stream_frames.decode_news, stream_frames.decode_order):
        with suppress(msgspec.DecodeError, UnicodeDecodeError):
            decode(data)


def places(data: bytes) -> None:
    """Where tensors lie in shared memory: numbers of bytes that are some, and outputs that do not lie on each other."""
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        given = msgspec.json.decode(data, type=list[dict[str, Any]])
        found = {str(at): place for at, one in enumerate(given) if (place := shared.place_of(f"output '{at}'", one))}
        assert all(0 <= place.size < 1 << 63 and 0 <= place.offset < 1 << 63 for place in found.values())
        shared.check_apart(found)
        taken = [(place.region, place.offset, place.offset + place.size) for place in found.values() if place.size]
        for at, (region, start, end) in enumerate(taken):
            assert not any(region == other[0] and start < other[2] and other[1] < end for other in taken[at + 1 :])


def generated(data: bytes) -> None:
    for signature in (FLOATS, TEXTS):
        with suppress(PumiceError):
            generate.decode_generate(data, "m", signature)


def keys(data: bytes) -> None:
    try:
        plain = json.loads(data)
    except (ValueError, RecursionError):
        return
    json_keys.refuse_double_keys(data)
    json.dumps(plain)


def inflate(data: bytes) -> None:
    for coding in ("gzip", "deflate"):
        with suppress(PumiceError):
            assert len(compression.decompress(data, coding, LIMIT)) <= LIMIT
    compression.negotiate(data)


def header(data: bytes) -> None:
    text = data.decode("latin-1")
    headers.preferred_wait([text])
    assert headers.choose_request_id(text).isprintable()
    headers.deadline_of(text, 0.0)


def manifest(data: bytes) -> None:
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        parse_manifest(msgspec.json.decode(data), "file")


def settings(data: bytes) -> None:
    text = data.decode("latin-1")
    key, _, value = text.partition("=")
    load_settings({key: value}, None, {})


def grpc_heads(data: bytes) -> None:
    """What is remembered of one request changes nothing in what another says."""
    heads = Heads()
    heads.read(SEEDS["grpc_heads"][0])
    for _ in range(2):
        asked = heads.read(data)
        plain = grpc_codec.parse_message(pb.ModelInferRequest, data)
        assert (asked.model, asked.version, asked.wire.id) == (plain.model_name, plain.model_version, plain.id)


def http2_frames(data: bytes) -> None:
    splitter, half = Splitter(LIMIT), len(data) // 2
    with suppress(ConnectionFault):
        got = splitter.feed(PREFACE + data[:half]) + splitter.feed(data[half:])
        assert sum(9 + len(payload) for _, _, _, payload in got) + splitter.half == len(data)


def header_blocks(data: bytes) -> None:
    reader = BlockReader(4096)
    with suppress(ConnectionFault):
        for _ in range(2):
            assert reader.read(data).size <= 4096


class _Fuzzed(Stream):
    """A stream that is answered at once when it is whole."""

    def __init__(self, number: int, _fields: Fields) -> None:
        super().__init__(number)

    def start(self) -> None:
        pass

    def received(self, piece: bytes, *, ended: bool) -> None:
        if ended:
            self.session.answer(self, _HEAD, [piece, bytes(20_000)], _HEAD)
        else:
            self.session.credit(self, len(piece))

    def gone(self) -> None:
        assert self.number not in self.session.streams

    def drained(self) -> None:
        pass

    session: Session[_Fuzzed]


_HEAD = literal(b":status", b"200")


def http2_session(data: bytes) -> None:
    class Bound(_Fuzzed):
        pass

    session: Session[_Fuzzed] = Session(Bound, Limits(streams=3))
    Bound.session = session
    with suppress(ConnectionFault):
        session.receive(PREFACE + b"\0\0\0\4\0\0\0\0\0" + data)
        assert len(session.streams) <= 3
        assert all(stream.window_out >= 0 or session.waiting for stream in session.streams.values() if stream.outbox)


def grpc_messages(data: bytes) -> None:
    for coding in (b"", b"gzip", b"deflate"):
        reader, half = MessageReader(coding, 10_000), len(data) // 2
        with suppress(MessageFault):
            for message in reader.feed(data[:half]) + reader.feed(data[half:]):
                assert len(message) <= 10_000
            assert reader.held <= len(data)


def grpc_head(data: bytes) -> None:
    names = [b":method", b":path", b"content-type", b"grpc-timeout", b"grpc-encoding"]
    values = [b"POST", b"/", b"application/grpc", *data.split(b"\n")]
    fields = Fields(list(zip(names, values, strict=False)))
    with suppress(HeadFault):
        read_head(fields)


def yaml_text(data: bytes) -> None:
    safe_yaml.load_yaml(data.decode(errors="replace"), "a document")


HARNESSES: dict[str, Callable[[bytes], None]] = {
    "safe_yaml": yaml_text,
    "flat_json": flat,
    "json_codec": binary,
    "tensors": tensor,
    "kserve_v1": kserve,
    "grpc_codec": grpc_message,
    "client_codec": answer,
    "frames": frame,
    "frame_reader": framing,
    "stream_frames": stream_frame,
    "shared": places,
    "generate": generated,
    "json_keys": keys,
    "compression": inflate,
    "headers": header,
    "manifest": manifest,
    "settings": settings,
    "grpc_heads": grpc_heads,
    "http2/frames": http2_frames,
    "http2/header_blocks": header_blocks,
    "http2/session": http2_session,
    "grpc/messages": grpc_messages,
    "grpc/heads": grpc_head,
}
"""Parser -> harness."""

SEEDS: dict[str, list[bytes]] = {
    "safe_yaml": [b"a: &x [1, 2.5, null, true]\nb: {c: *x, d: 'e'}\nf: |\n  text\n", b"<<: {a: 1}\n? [k]\n: !!str 2\n"],
    "flat_json": [b'{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2.5]}],"id":"a","parameters":{"p":1}}'],
    "json_codec": [b'\x5e{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","parameters":{"binary_data_size":4}}]}\0\0\0\0'],
    "tensors": [b"\x00\x01\x01\x02\x01", b"\x0c\x01\x00\x01\x02\x00\x00\x00hi"],
    "kserve_v1": [b'{"instances":[[1,2]]}', b'{"inputs":{"x":["a",{"b64":"aGk="}]},"signature_name":"serving_default"}'],
    "grpc_codec": [pb.ModelInferRequest(model_name="m", raw_input_contents=[b"ab"]).SerializeToString()],
    "client_codec": [b'{"model_name":"m","outputs":[{"name":"y","shape":[1],"datatype":"FP32","data":[1]}]}'],
    "frames": [b"\x96\x01\x90\xcb?\xf0\0\0\0\0\0\0\0\xc0\xa0"],
    "frame_reader": [b"\x01\0\0\0\x02\0\0\0\0\0\0\0habxx"],
    "stream_frames": [b"\x93\x01\x90\x80"],
    "shared": [b'[{"shared_memory_region":"r","shared_memory_byte_size":8},{"shared_memory_region":"r","shared_memory_byte_size":8,"shared_memory_offset":8}]'],
    "generate": [b'{"x":[[1,2]],"parameters":{"p":1}}', b'{"text_input":"a"}'],
    "json_keys": [b'{"a":{"a":1,"b":[{"a":"\\u0061"}]}}'],
    "compression": [b"\x1f\x8b\x08\0\0\0\0\0\0\x03K\x04\0C\xbe\xb7\xe8\x01\0\0\0", b"gzip;q=0.5, *;q=0"],
    "headers": [b"respond-async, wait=10", b"1500.5"],
    "manifest": [b'{"task":"tensor","signature":{"inputs":[],"outputs":[]}}'],
    "settings": [b"port=8000", b"timeout=1e3"],
    "grpc_heads": [b"\n\x01m*\x12\n\x01x\x12\x04FP32\x1a\x02\x01\x01:\x04\0\0\x80?"],
    "http2/frames": [b"\0\0\4\0\1\0\0\0\1text\0\0\x08\6\0\0\0\0\x0012345678"],
    "http2/header_blocks": [b"\x83\x86\x44\x01/\x40\x02te\x08trailers", b"\x00\x01a\x01b\xbe\x3f\xe1\x1f"],
    "http2/session": [
        b"\0\0\6\1\4\0\0\0\1\x83\x86\x84\x40\1a\0\0\3\0\1\0\0\0\1abc",
        b"\0\0\4\x08\0\0\0\0\0\0\0\1\0\0\0\4\3\0\0\0\0\1\0\0\0\x08",
    ],
    "grpc/messages": [b"\0\0\0\0\4text\1\0\0\0\x01x"],
    "grpc/heads": [b"100m\ngzip", b"1H\nidentity"],
}  # fmt: skip
"""Where the fuzzer begins."""


def run(name: str, data: bytes) -> None:
    """Give bytes to a harness; an error for the caller is fine, anything else gets out."""
    with suppress(PumiceError), np.errstate(over="ignore"):
        HARNESSES[name](data)
