"""Server reflection: callers ask the server itself for its services and messages."""

from __future__ import annotations

from typing import Any

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2

from pumice.protocol.oip.proto import open_inference_pb2
from pumice.protocol.seed import model_service_pb2

# v1 has the same messages under another name, and callers try it first
SERVICES = (reflection.SERVICE_NAME, "grpc.reflection.v1.ServerReflection")


def handlers(services: tuple[str, ...]) -> list[grpc.GenericRpcHandler[Any, Any]]:
    """Make reflection ready for a server.

    Args:
        services: Full names of the services that it has.
    """
    # not the pool of the process: there other packages may have put messages of the same names
    pool = DescriptorPool()
    for module in (open_inference_pb2, model_service_pb2, health_pb2, reflection_pb2):
        pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    servicer = reflection.aio.ReflectionServicer([*services, reflection.SERVICE_NAME], pool=pool)  # type: ignore[attr-defined]
    method = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        reflection_pb2.ServerReflectionRequest.FromString,
        reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    return [grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": method}) for name in SERVICES]
