"""A caller that knows nothing but the address: it asks the server for its services and calls one of them."""

from __future__ import annotations

from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase


def test_the_services_are_listed_and_described(address: str) -> None:
    with grpc.insecure_channel(address) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        assert set(database.get_services()) == {
            "inference.GRPCInferenceService",
            "ModelService",
            "grpc.health.v1.Health",
            "grpc.reflection.v1alpha.ServerReflection",
        }
        pool = DescriptorPool(database)
        for service in database.get_services():
            assert pool.FindServiceByName(service).methods


def test_a_model_is_called_with_reflected_messages_alone(address: str) -> None:
    with grpc.insecure_channel(address) as channel:
        pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
        method = pool.FindServiceByName("inference.GRPCInferenceService").FindMethodByName("ModelInfer")
        request: Any = GetMessageClass(method.input_type)(model_name="doubler")
        request.inputs.add(name="x", datatype="FP32", shape=[1, 4])
        request.inputs[0].contents.fp32_contents.extend([1, 2, 3, 4])
        call = channel.unary_unary(
            f"/{method.containing_service.full_name}/{method.name}",
            type(request).SerializeToString,
            GetMessageClass(method.output_type).FromString,
        )
        [raw] = call(request).raw_output_contents
    assert np.frombuffer(raw, np.float32).tolist() == [2, 4, 6, 8]


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_both_names_of_reflection_answer(address: str, version: str) -> None:
    with grpc.insecure_channel(address) as channel:
        call = channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            reflection_pb2.ServerReflectionRequest.SerializeToString,
            reflection_pb2.ServerReflectionResponse.FromString,
        )
        [answer] = call(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
    assert len(answer.list_services_response.service) == 4
