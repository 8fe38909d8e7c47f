"""What Triton's clients call of the service besides the protocol: configuration and statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pumice.domain.access import EVERY, Verb
from pumice.gateway.grpc.calls import Call
from pumice.gateway.grpc.methods import Operation
from pumice.protocol.oip import grpc_codec
from pumice.protocol.oip.proto import open_inference_pb2 as pb
from pumice.service.description import config_of, statistics_of

if TYPE_CHECKING:
    from pumice.service.inference import Inference


class Description:
    """The methods that describe models.

    Args:
        inference: The operation, and the catalogue of what is served.
    """

    def __init__(self, inference: Inference) -> None:
        self._inference = inference

    def operations(self) -> dict[str, Operation]:
        """The methods by name."""
        return {"ModelConfig": self.model_config, "ModelStatistics": self.model_statistics}

    async def model_config(self, body: bytes, call: Call) -> bytes:
        """How a version is served."""
        asked = grpc_codec.parse_message(pb.ModelConfigRequest, body)
        call.permit(Verb.READ, asked.name)
        # only one in memory knows what was chosen for it
        config = config_of(await self._inference.awake(asked.name, asked.version))
        return pb.ModelConfigResponse(config=grpc_codec.as_message(config, pb.ModelConfig())).SerializeToString()

    async def model_statistics(self, body: bytes, call: Call) -> bytes:
        """What a version, all versions of a model, or all models have done."""
        asked = grpc_codec.parse_message(pb.ModelStatisticsRequest, body)
        call.permit(Verb.READ, asked.name or EVERY)
        statistics = statistics_of(await self._inference.observed(asked.name, asked.version))
        return grpc_codec.as_message(statistics, pb.ModelStatisticsResponse()).SerializeToString()
