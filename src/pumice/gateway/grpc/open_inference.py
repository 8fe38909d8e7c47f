"""`inference.GRPCInferenceService`: the Open Inference Protocol."""

from __future__ import annotations

from collections.abc import Iterable

from pumice.__about__ import __version__
from pumice.domain.access import Verb
from pumice.domain.errors import ModelNotReady
from pumice.domain.signature import Tensor
from pumice.gateway.grpc.calls import Call
from pumice.gateway.grpc.context import GrpcContext
from pumice.gateway.grpc.infer import Infer
from pumice.gateway.grpc.methods import Methods, Operation, named, unary
from pumice.gateway.grpc.repository import Repository
from pumice.gateway.grpc.shared_memory import SharedMemory
from pumice.gateway.grpc.streaming import StreamInfer
from pumice.gateway.grpc.triton import Description
from pumice.protocol.oip import grpc_codec
from pumice.protocol.oip.proto import open_inference_pb2 as pb
from pumice.protocol.oip.shared import EXTENSION as SHARED_MEMORY

SERVICE = "inference.GRPCInferenceService"

EXTENSIONS = ("parameters", "model_configuration", "model_repository", "statistics")
"""Extensions of the protocol that are always spoken, in Triton's words."""


class OpenInference:
    """The methods of the service.

    Args:
        context: What the methods work with.
    """

    def __init__(self, context: GrpcContext) -> None:
        self._context = context
        self._inference = context.inference
        self._catalog = context.inference.catalog

    def methods(self) -> Methods:
        """Give the service to a server; methods that are not here answer UNIMPLEMENTED."""
        operations: dict[str, Operation] = {
            "ModelReady": self.model_ready,
            "ModelMetadata": self.model_metadata,
            "ServerLive": self.server_live,
            "ServerReady": self.server_ready,
            "ServerMetadata": self.server_metadata,
            **Repository(self._context.models).operations(),
            **SharedMemory(self._context.regions).operations(),
            **Description(self._inference).operations(),
        }
        methods = {name: unary(run) for name, run in operations.items()}
        methods["ModelInfer"] = Infer(self._inference, self._context.regions).method()
        methods["ModelStreamInfer"] = StreamInfer(self._context).method()
        return named(SERVICE, methods)

    async def server_live(self, _body: bytes, _call: Call) -> bytes:
        """The process answers."""
        return pb.ServerLiveResponse(live=True).SerializeToString()

    async def server_ready(self, _body: bytes, _call: Call) -> bytes:
        """Whether every model can answer."""
        return pb.ServerReadyResponse(ready=self._catalog.ready).SerializeToString()

    async def model_ready(self, body: bytes, call: Call) -> bytes:
        """Whether one version can answer."""
        asked = grpc_codec.parse_message(pb.ModelReadyRequest, body)
        call.permit(Verb.READ, asked.name)
        served = self._catalog.find(asked.name, asked.version)
        return pb.ModelReadyResponse(ready=served.ready).SerializeToString()

    async def server_metadata(self, _body: bytes, _call: Call) -> bytes:
        """What the server is."""
        extensions = EXTENSIONS if self._context.regions is None else (*EXTENSIONS, SHARED_MEMORY)
        return pb.ServerMetadataResponse(name="pumice", version=__version__, extensions=extensions).SerializeToString()

    async def model_metadata(self, body: bytes, call: Call) -> bytes:
        """What a version takes and gives."""
        asked = grpc_codec.parse_message(pb.ModelMetadataRequest, body)
        call.permit(Verb.READ, asked.name)
        served = self._catalog.find(asked.name, asked.version)
        if served.profile is None:
            served = await self._inference.awake(asked.name, asked.version)
        profile = served.profile
        if profile is None:
            raise ModelNotReady(served.name, served.reason)
        return pb.ModelMetadataResponse(
            name=served.name,
            versions=[version.version for version in self._catalog.versions(served.name)],
            platform=profile.platform,
            inputs=_described(profile.signature.inputs),
            outputs=_described(profile.signature.outputs),
        ).SerializeToString()


def _described(tensors: Iterable[Tensor]) -> list[pb.ModelMetadataResponse.TensorMetadata]:
    return [
        pb.ModelMetadataResponse.TensorMetadata(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        for tensor in tensors
    ]
