"""Requests that begin as one did before: they must read as if nothing were known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pumice.domain.errors import MalformedInput
from pumice.protocol.oip.grpc_codec import parse_message, read_infer
from pumice.protocol.oip.grpc_heads import Asked, Heads
from pumice.protocol.oip.proto.open_inference_pb2 import ModelInferRequest

TYPES = {"FP32": np.float32, "INT64": np.int64, "UINT8": np.uint8, "BOOL": np.bool_}


def message(datatype: str, array: np.ndarray, **more: object) -> ModelInferRequest:
    made = ModelInferRequest(model_name="m", raw_input_contents=[array.tobytes()], **more)  # type: ignore[arg-type]
    made.inputs.add(name="x", datatype=datatype, shape=array.shape)
    return made


def assert_reads_as_ever(asked: Asked, body: bytes) -> None:
    plain = parse_message(ModelInferRequest, body)
    wire = read_infer(plain)
    assert (asked.model, asked.version) == (plain.model_name, plain.model_version)
    assert (asked.wire.id, asked.wire.outputs) == (wire.id, wire.outputs)
    assert asked.wire.request.parameters == wire.request.parameters
    assert asked.wire.request.inputs.keys() == wire.request.inputs.keys()
    for name, array in wire.request.inputs.items():
        read = asked.wire.request.inputs[name]
        assert (read.dtype, read.shape) == (array.dtype, array.shape)
        assert read.tobytes() == array.tobytes()


@given(
    st.sampled_from(sorted(TYPES)), st.integers(0, 3), st.integers(0, 200), st.booleans(), st.sampled_from(["", "7"])
)
def test_the_second_reads_as_the_first(datatype: str, rows: int, width: int, wants: bool, given_id: str) -> None:
    heads, more = Heads(), {"id": given_id, "model_version": "3"}
    for start in (0, 1):
        made = message(datatype, (np.arange(rows * width) + start).reshape(rows, width).astype(TYPES[datatype]), **more)
        if wants:
            made.outputs.add(name="y")
        body = made.SerializeToString()
        assert_reads_as_ever(heads.read(body), body)


def test_data_of_another_length_are_held_against_the_shape() -> None:
    heads, array = Heads(), np.zeros((1, 4), np.float32)
    heads.read(message("FP32", array).SerializeToString())
    short = message("FP32", array)
    short.raw_input_contents[0] = bytes(12)
    with pytest.raises(MalformedInput, match="12 bytes"):
        heads.read(short.SerializeToString())


def test_what_only_looks_like_the_tensor_at_the_end_is_not_taken_for_it() -> None:
    array = np.arange(4, dtype=np.float32)
    raw = b"\x3a\x10" + array.tobytes()  # raw_input_contents, 16 bytes
    unknown = b"\xfa\x01" + bytes([len(raw)])  # field 31, of the same bytes
    heads = Heads()
    for end in (raw, b"\x3a\x10" + (array + 1).tobytes()):
        body = message("FP32", array).SerializeToString() + unknown + end
        assert_reads_as_ever(heads.read(body), body)


def test_bool_bytes_are_looked_at_every_time() -> None:
    heads, made = Heads(), message("BOOL", np.ones(2, np.bool_))
    heads.read(made.SerializeToString())
    made.raw_input_contents[0] = b"\x01\x02"
    with pytest.raises(MalformedInput, match="BOOL"):
        heads.read(made.SerializeToString())


def test_a_head_followed_by_more_is_read_whole() -> None:
    heads, made = Heads(), message("FP32", np.zeros(8, np.float32))
    body = made.SerializeToString()
    heads.read(body)
    # the same length and beginning as far as a head is looked up, but another name of the model
    other = body.replace(b"\x0a\x01m", b"\x0a\x01n")
    assert heads.read(other).model == "n"
    assert heads.read(body).model == "m"
