"""Server reflection: callers ask the server itself for its services and messages.

Source: gRPC's ``server-reflection.md``.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2 as pb

from pumice.gateway.grpc.calls import Call
from pumice.gateway.grpc.methods import Method, Methods, named
from pumice.protocol.grpc.status import StatusCode
from pumice.protocol.oip.grpc_codec import parse_message
from pumice.protocol.oip.proto import open_inference_pb2
from pumice.protocol.seed import model_service_pb2

NAME = "grpc.reflection.v1alpha.ServerReflection"

# v1 has the same messages under another name, and callers try it first
SERVICES = (NAME, "grpc.reflection.v1.ServerReflection")

_NOT_FOUND = pb.ErrorResponse(error_code=int(StatusCode.NOT_FOUND), error_message="not found")


class Reflection:
    """The method of the service.

    Args:
        services: Full names of the services that the server has.
    """

    def __init__(self, services: tuple[str, ...]) -> None:
        self._services = sorted([*services, NAME])
        # not the pool of the process: there other packages may have put messages of the same names
        self._pool = DescriptorPool()
        for module in (open_inference_pb2, model_service_pb2, health_pb2, pb):
            self._pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)

    def methods(self) -> Methods:
        """Give the service to a server, under both of its names."""
        method = Method(stream=self.info)
        return {name: method for service in SERVICES for name in named(service, {"ServerReflectionInfo": method})}

    async def info(self, requests: AsyncIterator[bytes], call: Call) -> AsyncGenerator[bytes, None]:
        """Answer one question after the other."""
        del call
        async for body in requests:
            asked = parse_message(pb.ServerReflectionRequest, body)
            answer = self._answer(asked)
            answer.valid_host = asked.host
            answer.original_request.CopyFrom(asked)
            yield answer.SerializeToString()

    def _answer(self, asked: pb.ServerReflectionRequest) -> pb.ServerReflectionResponse:
        kind = asked.WhichOneof("message_request")
        if kind == "list_services":
            services = [pb.ServiceResponse(name=name) for name in self._services]
            return pb.ServerReflectionResponse(list_services_response=pb.ListServiceResponse(service=services))
        with suppress(KeyError):
            if kind == "file_by_filename":
                return _files(self._pool.FindFileByName(asked.file_by_filename))
            if kind == "file_containing_symbol":
                return _files(self._pool.FindFileContainingSymbol(asked.file_containing_symbol))
            if kind == "all_extension_numbers_of_type":
                self._pool.FindMessageTypeByName(asked.all_extension_numbers_of_type)
                none = pb.ExtensionNumberResponse(base_type_name=asked.all_extension_numbers_of_type)
                return pb.ServerReflectionResponse(all_extension_numbers_response=none)
        return pb.ServerReflectionResponse(error_response=_NOT_FOUND)  # our messages have no extensions


def _files(file: Any) -> pb.ServerReflectionResponse:
    """A file and all that it stands on."""
    found: dict[str, Any] = {}
    waiting = [file]
    while waiting:
        file = waiting.pop()
        if file.name not in found:
            found[file.name] = file
            waiting += file.dependencies
    told = []
    for each in found.values():
        written = FileDescriptorProto()
        each.CopyToProto(written)
        told.append(written.SerializeToString())
    return pb.ServerReflectionResponse(file_descriptor_response=pb.FileDescriptorResponse(file_descriptor_proto=told))
