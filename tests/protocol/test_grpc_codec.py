"""The gRPC codec: raw and typed tensors in, raw ones out, parameters, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pumice.domain.datatypes import BYTES, NUMPY_TYPES
from pumice.domain.errors import MalformedInput, PumiceError, Unsupported
from pumice.domain.request import DEFAULT_PRIORITY, InferRequest, InferResult
from pumice.protocol.oip import grpc_codec
from pumice.protocol.oip.proto import open_inference_pb2 as pb
from pumice.protocol.oip.tensors import to_bytes
from pumice.protocol.oip.types import WireRequest, bind_outputs
from pumice.protocol.seed import model_service_pb2
from scripts.generate_protos import PROTOS, compile_proto

NUMBERS = [name for name in NUMPY_TYPES if name != BYTES]
TYPED = {name: field for field, names in {
    "bool_contents": ["BOOL"],
    "int_contents": ["INT8", "INT16", "INT32"],
    "int64_contents": ["INT64"],
    "uint_contents": ["UINT8", "UINT16", "UINT32"],
    "uint64_contents": ["UINT64"],
    "fp32_contents": ["FP32"],
    "fp64_contents": ["FP64"],
    "bytes_contents": ["BYTES"],
}.items() for name in names}  # fmt: skip

shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
tensors = st.one_of(
    st.sampled_from(NUMBERS).flatmap(lambda name: hnp.arrays(NUMPY_TYPES[name], shapes)),
    hnp.arrays(object, shapes, elements=st.binary(max_size=8), fill=st.nothing()),
)


def name_of(array: np.ndarray) -> str:
    return next(name for name, dtype in NUMPY_TYPES.items() if dtype == array.dtype)


def raw_request(**arrays: np.ndarray) -> pb.ModelInferRequest:
    message = pb.ModelInferRequest(model_name="m")
    for name, array in arrays.items():
        message.inputs.add(name=name, datatype=name_of(array), shape=array.shape)
        message.raw_input_contents.append(to_bytes(array))
    return message


def typed_request(datatype: str, shape: list[int], field: str, items: list[object]) -> pb.ModelInferRequest:
    message = pb.ModelInferRequest(model_name="m")
    tensor = message.inputs.add(name="x", datatype=datatype, shape=shape)
    getattr(tensor.contents, field).extend(items)
    return message


def refusal(message: pb.ModelInferRequest, kind: type[PumiceError] = MalformedInput) -> str:
    with pytest.raises(kind) as caught:
        grpc_codec.read_infer(message)
    return caught.value.message


def answer(outputs: dict[str, np.ndarray], wire: WireRequest | None = None) -> pb.ModelInferResponse:
    body = grpc_codec.encode_result(InferResult(outputs, "m", "2"), wire or WireRequest(InferRequest({})))
    return pb.ModelInferResponse.FromString(body)


@given(tensors, tensors)
def test_raw_tensors_come_in_and_go_out_as_they_are(first: np.ndarray, second: np.ndarray) -> None:
    wire = grpc_codec.read_infer(raw_request(a=first, b=second))
    response = answer(wire.request.inputs)
    assert [output.name for output in response.outputs] == ["a", "b"]
    for array, output, raw in zip((first, second), response.outputs, response.raw_output_contents, strict=True):
        assert output.datatype == name_of(array)
        assert tuple(output.shape) == array.shape
        assert raw == to_bytes(array)


@given(tensors.filter(lambda array: array.dtype != np.float16))
def test_typed_tensors_come_in_as_they_are(array: np.ndarray) -> None:
    datatype = name_of(array)
    message = typed_request(datatype, list(array.shape), TYPED[datatype], array.ravel().tolist())
    read = grpc_codec.read_infer(message).request.inputs["x"]
    assert read.dtype == array.dtype
    np.testing.assert_array_equal(read, array)


def test_raw_numbers_are_not_copied_and_cannot_be_changed() -> None:
    read = grpc_codec.read_infer(raw_request(x=np.ones((2, 2), np.float32))).request.inputs["x"]
    assert read.base is not None
    assert not read.flags.writeable


def test_strided_outputs_are_sent_row_by_row() -> None:
    array = np.arange(6, dtype=np.int32).reshape(2, 3).T
    assert answer({"y": array}).raw_output_contents[0] == np.ascontiguousarray(array).tobytes()


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16383, 16384, 3_000_000])
def test_the_length_of_raw_contents_is_written_as_protobuf_wants_it(size: int) -> None:
    assert len(answer({"y": np.zeros(size, np.int8)}).raw_output_contents[0]) == size


@given(st.binary(max_size=64))
def test_bytes_that_are_no_message_are_the_callers_fault(body: bytes) -> None:
    with suppress(MalformedInput, Unsupported):
        grpc_codec.read_infer(grpc_codec.parse_message(pb.ModelInferRequest, body))


def test_raw_contents_are_for_all_inputs_or_for_none() -> None:
    message = raw_request(a=np.ones(2, np.int8), b=np.ones(2, np.int8))
    del message.raw_input_contents[1]
    assert "1 entries for 2 inputs" in refusal(message)


def test_raw_and_typed_contents_exclude_each_other() -> None:
    message = raw_request(a=np.ones(2, np.int32))
    message.inputs[0].contents.int_contents.extend([1, 1])
    assert "send one of the two" in refusal(message)


def test_typed_contents_that_are_there_but_empty_do_no_harm_beside_raw_ones() -> None:
    message = raw_request(a=np.ones(2, np.int32))
    message.inputs[0].contents.SetInParent()
    assert grpc_codec.read_infer(message).request.inputs["a"].tolist() == [1, 1]


def test_half_floats_can_come_only_raw() -> None:
    assert "raw_input_contents" in refusal(typed_request("FP16", [1], "fp32_contents", [1.0]))


def test_contents_in_the_field_of_another_datatype_are_refused() -> None:
    told = refusal(typed_request("FP32", [1], "fp64_contents", [1.0]))
    assert "fp64_contents" in told
    assert "fp32_contents" in told


def test_wrong_sizes_are_refused() -> None:
    message = raw_request(x=np.ones(3, np.float32))
    message.inputs[0].shape[0] = 4
    assert "12 bytes; FP32 [4] takes 16" in refusal(message)
    assert "1 elements; shape [2] takes 2" in refusal(typed_request("INT8", [2], "int_contents", [1]))
    assert "0 elements; shape [2] takes 2" in refusal(typed_request("INT8", [2], "int_contents", []))


def test_numbers_out_of_their_range_are_refused() -> None:
    assert "not INT8" in refusal(typed_request("INT8", [1], "int_contents", [300]))
    assert "not UINT16" in refusal(typed_request("UINT16", [1], "uint_contents", [70_000]))


def test_impossible_tensors_are_refused() -> None:
    assert "'BF16' is none of" in refusal(typed_request("BF16", [1], "fp32_contents", [1.0]))
    assert "sizes >= 0" in refusal(typed_request("FP32", [-1], "fp32_contents", [1.0]))
    assert "too long" in refusal(typed_request("FP32", [0, 1 << 62], "fp32_contents", []))
    message = raw_request(x=np.ones(1, np.int8))
    message.inputs.add(name="x", datatype="INT8", shape=[1])
    message.raw_input_contents.append(b"\1")
    assert "given twice" in refusal(message)


def test_parameters_of_every_type_reach_the_model() -> None:
    message = raw_request(x=np.ones(1, np.int8))
    message.parameters["flag"].bool_param = False
    message.parameters["count"].int64_param = -3
    message.parameters["name"].string_param = "é"
    message.parameters["rate"].double_param = 0.25
    message.parameters["big"].uint64_param = 2**63
    request = grpc_codec.read_infer(message).request
    assert request.parameters == {"flag": False, "count": -3, "name": "é", "rate": 0.25, "big": 2**63}
    assert request.priority == DEFAULT_PRIORITY


def test_reserved_parameters_are_the_protocols_own() -> None:
    message = raw_request(x=np.ones(1, np.int8))
    message.parameters["priority"].uint64_param = 1
    message.parameters["timeout"].int64_param = 1_500_000
    message.parameters["binary_data_output"].bool_param = True
    message.parameters["sequence_id"].int64_param = 0
    wire = grpc_codec.read_infer(message)
    assert wire.request.parameters == {}
    assert wire.request.priority == 1
    assert wire.timeout_s == 1.5


def test_sequences_and_empty_parameters_are_refused() -> None:
    message = raw_request(x=np.ones(1, np.int8))
    message.parameters["sequence_id"].string_param = "s"
    assert "sequence_id" in refusal(message, Unsupported)
    message = raw_request(x=np.ones(1, np.int8))
    message.parameters["odd"].SetInParent()
    assert "has no value" in refusal(message)


def test_shared_memory_is_refused_where_there_is_none() -> None:
    message = raw_request(x=np.ones(1, np.int8))
    for tensor in (message.inputs[0], message.outputs.add(name="y")):
        tensor.parameters["shared_memory_region"].string_param = "r"
        tensor.parameters["shared_memory_byte_size"].int64_param = 1
    del message.raw_input_contents[:]
    assert "input 'x'" in refusal(message, Unsupported)
    message.inputs[0].parameters.clear()
    message.raw_input_contents.append(b"1")
    with pytest.raises(Unsupported, match="output 'y'"):
        bind_outputs(grpc_codec.read_infer(message), None)


@pytest.mark.parametrize("key", ["classification"])
def test_extensions_that_are_not_there_are_refused(key: str) -> None:
    message = raw_request(x=np.ones(1, np.int8))
    message.outputs.add(name="y").parameters[key].string_param = "1"
    assert "output 'y'" in refusal(message, Unsupported)
    message = raw_request(x=np.ones(1, np.int8))
    message.inputs[0].parameters[key].string_param = "1"
    assert "input 'x'" in refusal(message, Unsupported)


def test_only_the_outputs_that_are_asked_for_are_sent_in_their_order() -> None:
    message = raw_request(x=np.ones(1, np.int8))
    message.id = "id-1"
    for name in ("c", "a"):
        message.outputs.add(name=name)
    wire = grpc_codec.read_infer(message)
    response = answer({name: np.zeros(1, np.int8) for name in "abc"}, wire)
    assert [output.name for output in response.outputs] == ["c", "a"]
    assert (response.id, response.model_name, response.model_version) == ("id-1", "m", "2")


def test_an_output_named_twice_is_refused() -> None:
    message = pb.ModelInferRequest()
    message.outputs.add(name="y")
    message.outputs.add(name="y")
    with pytest.raises(MalformedInput, match="once"):
        grpc_codec.read_infer(message)


@pytest.mark.parametrize("proto", PROTOS, ids=lambda path: path.name)
def test_the_generated_messages_are_those_of_the_proto(proto: Path) -> None:
    generated = {module.DESCRIPTOR.name: module.DESCRIPTOR for module in (pb, model_service_pb2)}[proto.name]
    declared = FileDescriptorProto()
    generated.CopyToProto(declared)
    assert declared == compile_proto(proto)[0]


@pytest.mark.parametrize("order", [("tritonclient.grpc", "pumice"), ("pumice", "tritonclient.grpc"),
                                   ("pumice", "kserve")])  # fmt: skip
def test_other_packages_with_the_same_message_names_can_be_imported_beside_ours(order: tuple[str, str]) -> None:
    ours = "pumice.protocol.oip.proto.open_inference_pb2"
    lines = [f"import {ours if name == 'pumice' else name}" for name in order]
    subprocess.run([sys.executable, "-W", "ignore", "-c", "\n".join(lines)], check=True, timeout=60)
