"""A harness for each parser: takes any bytes, lets nothing out but the errors that a caller may be told."""

# ruff: noqa: E501 - a seed reads best on one line

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
import numpy as np

from pumice.config import load_settings, parse_manifest
from pumice.domain.datatypes import NUMPY_TYPES
from pumice.domain.errors import PumiceError
from pumice.domain.signature import Signature, Tensor
from pumice.gateway import headers
from pumice.gateway.http import compression
from pumice.protocol import frames, json_keys, kserve_v1, stream_frames
from pumice.protocol.frame_reader import FrameReader, NonsenseReceived
from pumice.protocol.frames import PREFIX
from pumice.protocol.oip import client_codec, flat_json, generate, grpc_codec, json_codec, shared, tensors
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


HARNESSES: dict[str, Callable[[bytes], None]] = {
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
}
"""Parser -> harness."""

SEEDS: dict[str, list[bytes]] = {
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
}  # fmt: skip
"""Where the fuzzer begins."""


def run(name: str, data: bytes) -> None:
    """Give bytes to a harness; an error for the caller is fine, anything else gets out."""
    with suppress(PumiceError), np.errstate(over="ignore"):
        HARNESSES[name](data)
