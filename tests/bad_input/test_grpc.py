"""Messages that are too large, are none, or unpack to far more than they are."""

from __future__ import annotations

import grpc
import numpy as np
import pytest

from pumice.protocol.oip.proto import open_inference_pb2 as pb
from tests.bad_input.raw import Peak
from tests.support.server import RunningServer

METHOD = "/inference.GRPCInferenceService/ModelInfer"


def call(
    server: RunningServer,
    body: bytes,
    metadata: tuple[tuple[str, str], ...] = (),
    compression: grpc.Compression = grpc.Compression.NoCompression,
) -> tuple[grpc.StatusCode, str]:
    with grpc.insecure_channel(server.grpc, options=[("grpc.max_send_message_length", -1)]) as channel:
        infer = channel.unary_unary(METHOD, bytes, bytes)
        try:
            infer(body, timeout=30, metadata=metadata, compression=compression)
        except grpc.RpcError as error:
            return error.code(), error.details() or ""
    return grpc.StatusCode.OK, ""


def request(size: int) -> bytes:
    message = pb.ModelInferRequest(model_name="double", raw_input_contents=[bytes(size)])
    message.inputs.add(name="x", datatype="FP32", shape=[1, size // 4])
    return message.SerializeToString()


def good() -> bytes:
    message = pb.ModelInferRequest(model_name="double", raw_input_contents=[np.ones(4, np.float32).tobytes()])
    message.inputs.add(name="x", datatype="FP32", shape=[1, 4])
    return message.SerializeToString()


def test_a_message_over_the_limit(small: RunningServer) -> None:
    code, details = call(small, request(5_000_000))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "4000000" in details


@pytest.mark.parametrize("body", [b"\xff", b"\x0a\xff\xff\xff\xff\x0f", b"\x0b" * 100_000])
def test_no_message(small: RunningServer, body: bytes) -> None:
    assert call(small, body)[0] is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("coding", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_a_message_that_unpacks_to_far_more(small: RunningServer, coding: grpc.Compression) -> None:
    with Peak(small.addresses.pid) as peak:
        code, _ = call(small, request(200_000_000), compression=coding)
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert peak.growth < 50_000_000
    assert call(small, good())[0] is grpc.StatusCode.OK


def test_too_much_metadata(small: RunningServer) -> None:
    code, _ = call(small, good(), metadata=(("x-much", "a" * 100_000),))
    assert code is not grpc.StatusCode.OK
    assert call(small, good())[0] is grpc.StatusCode.OK
