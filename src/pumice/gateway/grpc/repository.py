"""The model repository extension of Triton and KServe: what is there, load it, unload it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pumice.domain.access import Verb
from pumice.domain.errors import MalformedInput
from pumice.gateway.grpc.calls import Call
from pumice.gateway.grpc.methods import Operation
from pumice.protocol.oip import grpc_codec
from pumice.protocol.oip.proto import open_inference_pb2 as pb

if TYPE_CHECKING:
    from pumice.service.models import Models


class Repository:
    """The methods of the extension.

    Args:
        models: What may be served, and changes of it.
    """

    def __init__(self, models: Models) -> None:
        self._models = models

    def operations(self) -> dict[str, Operation]:
        """The methods by name."""
        return {
            "RepositoryIndex": self.index,
            "RepositoryModelLoad": self.load,
            "RepositoryModelUnload": self.unload,
        }

    async def index(self, body: bytes, call: Call) -> bytes:
        """All versions and their states."""
        asked = grpc_codec.parse_message(pb.RepositoryIndexRequest, body)
        answer = pb.RepositoryIndexResponse()
        for name, version, state, reason in await self._models.index(asked.ready):
            if call.principal.allows(Verb.READ, name):
                answer.models.add(name=name, version=version, state=state, reason=reason)
        return answer.SerializeToString()

    async def load(self, body: bytes, call: Call) -> bytes:
        """Load a model, or load it again in the place of what is served."""
        asked = grpc_codec.parse_message(pb.RepositoryModelLoadRequest, body)
        name = _model_of(asked, call)
        await self._models.load(name, _parameters_of(asked.parameters))
        return pb.RepositoryModelLoadResponse(model_name=name, isLoaded=True).SerializeToString()

    async def unload(self, body: bytes, call: Call) -> bytes:
        """Unload a model and give its memory back."""
        asked = grpc_codec.parse_message(pb.RepositoryModelUnloadRequest, body)
        name = _model_of(asked, call)
        await self._models.unload(name, _parameters_of(asked.parameters))
        return pb.RepositoryModelUnloadResponse(model_name=name, isUnloaded=True).SerializeToString()


def _model_of(asked: pb.RepositoryModelLoadRequest | pb.RepositoryModelUnloadRequest, call: Call) -> str:
    """The model that a caller may change. KServe's clients name it in the field that is Triton's repository."""
    name = asked.model_name or asked.repository_name
    call.target["model"] = name
    call.permit(Verb.MANAGE, name)
    if not name:
        raise MalformedInput("'model_name'", "missing; name the model")
    return name


def _parameters_of(given: Mapping[str, pb.ModelRepositoryParameter]) -> dict[str, object]:
    parameters: dict[str, object] = {}
    for name, parameter in given.items():
        choice = parameter.WhichOneof("parameter_choice")
        if choice is None:
            raise MalformedInput(f"parameter '{name[:100]}'", "has no value")
        parameters[name] = getattr(parameter, choice)
    return parameters
