"""What each gRPC method asks of its caller; a method that is not listed asks for the right to manage."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pumice.domain.access import Verb

VERBS: Mapping[str, Verb] = MappingProxyType(
    {
        "/grpc.health.v1.Health/Check": Verb.OPEN,
        "/grpc.health.v1.Health/Watch": Verb.OPEN,
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo": Verb.READ,
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": Verb.READ,
        "/inference.GRPCInferenceService/ServerLive": Verb.OPEN,
        "/inference.GRPCInferenceService/ServerReady": Verb.OPEN,
        "/inference.GRPCInferenceService/ServerMetadata": Verb.READ,
        "/inference.GRPCInferenceService/ModelReady": Verb.READ,
        "/inference.GRPCInferenceService/ModelMetadata": Verb.READ,
        "/inference.GRPCInferenceService/ModelConfig": Verb.READ,
        "/inference.GRPCInferenceService/ModelStatistics": Verb.READ,
        "/inference.GRPCInferenceService/ModelInfer": Verb.INFER,
        "/inference.GRPCInferenceService/ModelStreamInfer": Verb.INFER,
        "/inference.GRPCInferenceService/RepositoryIndex": Verb.READ,
        "/inference.GRPCInferenceService/RepositoryModelLoad": Verb.MANAGE,
        "/inference.GRPCInferenceService/RepositoryModelUnload": Verb.MANAGE,
        "/inference.GRPCInferenceService/SystemSharedMemoryStatus": Verb.READ,
        "/inference.GRPCInferenceService/SystemSharedMemoryRegister": Verb.MANAGE,
        "/inference.GRPCInferenceService/SystemSharedMemoryUnregister": Verb.MANAGE,
        "/ModelService/Predict": Verb.INFER,
    }
)
"""Full name of a method -> verb; a test holds it against what the server really has."""

NARROW = frozenset(
    {
        "/inference.GRPCInferenceService/ServerMetadata",
        "/inference.GRPCInferenceService/ModelReady",
        "/inference.GRPCInferenceService/ModelMetadata",
        "/inference.GRPCInferenceService/ModelConfig",
        "/inference.GRPCInferenceService/ModelStatistics",
        "/inference.GRPCInferenceService/ModelInfer",
        "/inference.GRPCInferenceService/ModelStreamInfer",
        "/inference.GRPCInferenceService/RepositoryIndex",
        "/inference.GRPCInferenceService/RepositoryModelLoad",
        "/inference.GRPCInferenceService/RepositoryModelUnload",
        "/ModelService/Predict",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    }
)
"""Methods that themselves hold what they do, model by model, against the caller's scopes (`Call.permit`).

Any caller with the verb for some model comes in; all other methods ask for the verb for all models.
"""


def verb_of(method: str) -> Verb:
    """Return what a method asks for.

    Args:
        method: Its full name, for example ``/ModelService/Predict``.
    """
    return VERBS.get(method, Verb.MANAGE)
