"""A version as Triton's clients want it described: its configuration and its statistics."""

from __future__ import annotations

import time
from collections.abc import Iterable

from pumice.domain.errors import ModelNotReady
from pumice.domain.model import Profile
from pumice.domain.request import DEFAULT_PRIORITY, LOWEST_PRIORITY
from pumice.domain.signature import Tensor
from pumice.observe.observed import Observed
from pumice.observe.stats import BatchTimes, VersionStats
from pumice.protocol.oip.triton import (
    BatchStatistics,
    ConfigParameter,
    Duration,
    DynamicBatching,
    InferStatistics,
    InstanceGroup,
    ModelConfig,
    ModelStatistics,
    Reshape,
    ResponseCache,
    SpecificVersions,
    Statistics,
    TensorConfig,
    TransactionPolicy,
    VersionPolicy,
    data_type,
)
from pumice.runtime.front.version import ServedVersion


def config_of(served: ServedVersion) -> ModelConfig:
    """Describe how a version is served.

    Raises:
        ModelNotReady: No replica has loaded it yet.
    """
    profile = served.profile
    if profile is None:
        raise ModelNotReady(served.name, served.reason)
    joined = profile.batchable
    told = {"task": profile.task} | {key: str(value) for key, value in profile.placement.items()}
    if profile.batch_dependent:
        told["batch_dependent"] = "true"
    return ModelConfig(
        name=served.name,
        platform=profile.platform,
        backend=profile.engine,
        version_policy=_policy(served.version),
        max_batch_size=served.max_batch_size if joined else 0,
        input=[_tensor(tensor, joined=joined) for tensor in profile.signature.inputs],
        output=[_tensor(tensor, joined=joined) for tensor in profile.signature.outputs],
        instance_group=[_instances(served, profile)],
        model_transaction_policy=TransactionPolicy(profile.decoupled),
        response_cache=ResponseCache(served.cached),
        parameters={key: ConfigParameter(value) for key, value in told.items()},
        dynamic_batching=DynamicBatching(round(served.max_delay * 1e6), LOWEST_PRIORITY, DEFAULT_PRIORITY)
        if joined
        else None,
    )


def statistics_of(versions: Iterable[Observed]) -> Statistics:
    """Tell what versions have done since the server was started."""
    return Statistics([_statistics(served) for served in versions])


def _policy(version: str) -> VersionPolicy:
    return VersionPolicy(SpecificVersions([int(version)]) if version.isascii() and version.isdigit() else None)


def _tensor(tensor: Tensor, *, joined: bool) -> TensorConfig:
    dims = tensor.shape[1:] if joined else tensor.shape
    reshape = None if dims else Reshape([])
    return TensorConfig(tensor.name, data_type(tensor.datatype), dims or [1], reshape, tensor.optional)


def _instances(served: ServedVersion, profile: Profile) -> InstanceGroup:
    provider = str(profile.placement.get("provider", "cpu"))
    if provider in ("cuda", "tensorrt"):
        return InstanceGroup(served.name, "KIND_GPU", len(served.replicas), [int(profile.placement.get("device", 0))])
    return InstanceGroup(served.name, "KIND_CPU", len(served.replicas), [])


def _statistics(served: Observed) -> ModelStatistics:
    stats = served.stats
    ended = time.time() - (time.monotonic() - stats.last_batch) if stats.last_batch else 0.0
    return ModelStatistics(
        name=served.name,
        version=served.version,
        last_inference=round(ended * 1000),
        inference_count=stats.rows,
        execution_count=sum(times.batches for times in stats.batches.values()),
        inference_stats=_by_request(stats),
        batch_stats=[BatchStatistics(rows, *_durations(times)) for rows, times in sorted(stats.batches.items())],
    )


def _by_request(stats: VersionStats) -> InferStatistics:
    finished = sum(stats.requests.values())
    answered = _duration(finished - stats.failed, stats.request_seconds.total - stats.failed_seconds)
    cache, seconds = stats.cache, stats.cache_seconds
    return InferStatistics(
        answered,
        _duration(stats.failed, stats.failed_seconds),
        _duration(stats.queue_seconds.count, stats.queue_seconds.total),
        *_durations(stats.in_batches),
        cache_hit=_duration(cache["hit"] + cache["joined"], seconds["hit"] + seconds["joined"]),
        cache_miss=_duration(cache["miss"], seconds["miss"]),
    )


def _durations(times: BatchTimes) -> tuple[Duration, Duration, Duration]:
    count = times.batches
    return _duration(count, times.input_s), _duration(count, times.infer_s), _duration(count, times.output_s)


def _duration(count: int, seconds: float) -> Duration:
    return Duration(count, max(0, round(seconds * 1e9)))
