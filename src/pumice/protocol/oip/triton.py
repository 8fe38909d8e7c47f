"""What Triton's clients read of a model besides the protocol: its configuration and its statistics.

Source: Triton's ``model_config.proto``, ``grpc_service.proto`` and the extensions ``model configuration`` and
``statistics``. The same values go out as JSON and as protobuf messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import msgspec

from pumice.domain.datatypes import BYTES


class Reshape(msgspec.Struct):
    """The shape that the model itself sees."""

    shape: list[int]


class TensorConfig(msgspec.Struct, omit_defaults=True):
    """A tensor of a configuration.

    Attributes:
        name: Its name.
        data_type: ``TYPE_FP32`` and so on; ``TYPE_STRING`` for BYTES.
        dims: Its shape, without the batch if ``max_batch_size`` is not 0; -1 is any size.
        reshape: Present where nothing is left but the batch: Triton wants one dimension at least.
        optional: The input may be left out.
    """

    name: str
    data_type: str
    dims: list[int]
    reshape: Reshape | None = None
    optional: bool = False


class SpecificVersions(msgspec.Struct):
    """Versions by number."""

    versions: list[int]


class VersionPolicy(msgspec.Struct, omit_defaults=True):
    """Which versions are served."""

    specific: SpecificVersions | None = None


class InstanceGroup(msgspec.Struct):
    """Replicas of one kind."""

    name: str
    kind: Literal["KIND_CPU", "KIND_GPU"]
    count: int
    gpus: list[int]


class DynamicBatching(msgspec.Struct):
    """How rows of several callers are joined."""

    max_queue_delay_microseconds: int
    priority_levels: int
    default_priority_level: int


class TransactionPolicy(msgspec.Struct):
    """Whether a request may have any number of answers."""

    decoupled: bool


class ResponseCache(msgspec.Struct):
    """Whether answers are kept."""

    enable: bool


class ConfigParameter(msgspec.Struct):
    """A value of the model's own."""

    string_value: str


class ModelConfig(msgspec.Struct, omit_defaults=True):
    """How a model is served, in Triton's words.

    Attributes:
        name: Name of the model.
        platform: Name of the format.
        backend: Name of the engine.
        version_policy: The versions that are served.
        max_batch_size: Most rows of a batch; 0: rows of several callers are not joined.
        input: Tensors of a request.
        output: Tensors of an answer.
        instance_group: The replicas.
        model_transaction_policy: Whether a request may have any number of answers.
        response_cache: Whether answers are kept.
        parameters: The task, and how the model really runs (provider, device, threads).
        dynamic_batching: How rows are joined; absent where they are not.
    """

    name: str
    platform: str
    backend: str
    version_policy: VersionPolicy
    max_batch_size: int
    input: list[TensorConfig]
    output: list[TensorConfig]
    instance_group: list[InstanceGroup]
    model_transaction_policy: TransactionPolicy
    response_cache: ResponseCache
    parameters: dict[str, ConfigParameter]
    dynamic_batching: DynamicBatching | None = None


class Duration(msgspec.Struct):
    """How often something was done, and how long it took in all (ns)."""

    count: int
    ns: int


class InferStatistics(msgspec.Struct):
    """Where the time of requests went.

    Attributes:
        success: Requests that were answered, from their decoding to the written answer; those of the cache among them.
        fail: Requests that were answered with an error.
        queue: Waiting for a replica.
        compute_input: From the batch's start to the model's call: joining, the way to the replica, reading.
        compute_infer: The call of the model and of its task's work around it; a request counts its whole batch.
        compute_output: From there to the answer in the gateway's process.
        cache_hit: Look-ups that found an answer, or one on its way.
        cache_miss: Look-ups that found none.
    """

    success: Duration
    fail: Duration
    queue: Duration
    compute_input: Duration
    compute_infer: Duration
    compute_output: Duration
    cache_hit: Duration
    cache_miss: Duration


class BatchStatistics(msgspec.Struct):
    """The batches of one size."""

    batch_size: int
    compute_input: Duration
    compute_infer: Duration
    compute_output: Duration


class ModelStatistics(msgspec.Struct):
    """What a version has done since the server was started.

    Attributes:
        name: Name of the model.
        version: Its version.
        last_inference: When the last batch ended (Unix time, ms); 0: there was none.
        inference_count: Rows that were run.
        execution_count: Batches that they were run in.
        inference_stats: By request.
        batch_stats: By size of the batch.
    """

    name: str
    version: str
    last_inference: int
    inference_count: int
    execution_count: int
    inference_stats: InferStatistics
    batch_stats: list[BatchStatistics]


class Statistics(msgspec.Struct):
    """Statistics of the versions that were asked for."""

    model_stats: list[ModelStatistics]


_TYPES: Mapping[str, str] = MappingProxyType({BYTES: "TYPE_STRING"})


def data_type(datatype: str) -> str:
    """Return Triton's configuration name of a datatype."""
    return _TYPES.get(datatype, f"TYPE_{datatype}")
