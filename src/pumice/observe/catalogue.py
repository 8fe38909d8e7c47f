"""Every metric that the server exposes: what is declared here is exported, and what is exported is declared here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

_MODEL = ("model", "version")


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Attributes:
        name: As it is scraped; a counter's ends in ``_total``.
        kind: Its Prometheus type.
        help: What it counts, with its unit.
        labels: Names of its labels.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram", "unknown"]
    help: str
    labels: tuple[str, ...] = _MODEL


SHED_REASONS = ("queue", "share", "predicted", "deadline")
"""Values of the label ``reason``: the queue was full, the caller had its share of it, the wait would have been too
long, the deadline had passed or would have before the answer."""

CACHE_RESULTS = ("hit", "miss", "joined")
"""Values of the label ``result``: kept, computed, computed for another caller at the same time."""

TASK_STATES = ("accepted", "completed", "failed", "cancelled")
"""Values of the label ``state`` of tasks; those accepted less the others have not ended yet, or ended elsewhere."""

WEBHOOK_RESULTS = ("delivered", "again", "given_up")
"""Values of the label ``result`` of webhooks: heard, to be sent again, not to be sent any more."""

SWAP_RESULTS = ("done", "failed")
"""Values of the label ``result`` of swaps: it took over, or it stayed since the other could not be loaded."""

REPLICA_STATES = ("starting", "ready", "backoff", "stopped")
"""Values of the label ``state``."""

REQUESTS = Metric(
    "pumice_requests_total",
    "counter",
    "Requests that were answered, by protocol and status.",
    (*_MODEL, "protocol", "code"),
)
REQUEST_SECONDS = Metric(
    "pumice_request_seconds", "histogram", "Time from the decoded request to the written answer, in seconds."
)
QUEUE_SECONDS = Metric("pumice_queue_seconds", "histogram", "Time that a request waited for a replica, in seconds.")
BATCH_SIZE = Metric("pumice_batch_size", "histogram", "Rows of the batches that were run.")
INFERENCE_SECONDS = Metric("pumice_inference_seconds", "histogram", "Time of one batch in the replica, in seconds.")
INFLIGHT = Metric("pumice_inflight_requests", "gauge", "Requests that wait or run now.")
QUEUE_DEPTH = Metric("pumice_queue_depth", "gauge", "Requests that wait for a replica now.")
REPLICAS = Metric("pumice_replicas", "gauge", "Replicas, by state.", (*_MODEL, "state"))
RESTARTS = Metric("pumice_replica_restarts_total", "counter", "Replicas that died and were started again.")
RETRIES = Metric("pumice_retries_total", "counter", "Requests that were run again after their batch was lost.")
SHED = Metric(
    "pumice_shed_total",
    "counter",
    "Requests that were refused or dropped without being run, by reason.",
    (*_MODEL, "reason"),
)
CACHE_REQUESTS = Metric(
    "pumice_cache_requests_total",
    "counter",
    "Requests that asked the response cache, by result.",
    (*_MODEL, "result"),
)
LOADS = Metric("pumice_model_loads_total", "counter", "Times that a version was loaded after the server had started.")
EVICTIONS = Metric("pumice_model_evictions_total", "counter", "Times that an idle version left the memory for others.")
SWAPS = Metric(
    "pumice_swaps_total",
    "counter",
    "Moves of the alias that a model follows: the version took over, or it stayed since the other cannot be served.",
    (*_MODEL, "result"),
)
TASKS = Metric(
    "pumice_tasks_total", "counter", "Asynchronous tasks that came to a state, by state.", (*_MODEL, "state")
)
PENDING_TASKS = Metric(
    "pumice_pending_tasks",
    "gauge",
    "Asynchronous tasks that wait or run, at all servers of the database, as it told last: a third of 'task_lease' ago"
    " at most. Every server tells them, so take the largest and no sum.",
)
WEBHOOKS = Metric("pumice_webhooks_total", "counter", "Tries to tell of a task's end, by result.", (*_MODEL, "result"))
REPLICA_CPU = Metric(
    "pumice_replica_cpu_seconds_total", "counter", "CPU time of a replica's process, in seconds.", (*_MODEL, "replica")
)
REPLICA_MEMORY = Metric(
    "pumice_replica_resident_memory_bytes",
    "gauge",
    "Resident memory of a replica's process, in bytes.",
    (*_MODEL, "replica"),
)
INFO = Metric("pumice_info", "gauge", "Always 1; the server's version is in the label.", ("server_version",))

NV_SUCCESS = Metric("nv_inference_request_success", "unknown", "Requests that were answered (Triton's name).")
NV_FAILURE = Metric(
    "nv_inference_request_failure",
    "unknown",
    "Requests that were answered with an error, by Triton's reasons (Triton's name).",
    (*_MODEL, "reason"),
)
NV_COUNT = Metric("nv_inference_count", "unknown", "Rows that were run (Triton's name).")
NV_EXEC_COUNT = Metric("nv_inference_exec_count", "unknown", "Batches that were run (Triton's name).")
NV_PENDING = Metric("nv_inference_pending_request_count", "gauge", "Requests that wait now (Triton's name).")
NV_CACHE_HITS = Metric("nv_cache_num_hits_per_model", "unknown", "Answers from the cache (Triton's name).")
NV_CACHE_MISSES = Metric("nv_cache_num_misses_per_model", "unknown", "Look-ups in vain (Triton's name).")
NV_DURATIONS = tuple(
    Metric(f"nv_inference_{part}_duration_us", "unknown", f"{told} of all requests, in microseconds (Triton's name).")
    for part, told in (
        ("request", "Time to the answer"),
        ("queue", "Time in the queue"),
        ("compute_input", "Time from the batch's start to the model"),
        ("compute_infer", "Time in the model"),
        ("compute_output", "Time from the model to the answer"),
    )
)

NV_REASONS = ("REJECTED", "CANCELED", "BACKEND", "OTHER")
"""Values of the label ``reason`` of `NV_FAILURE`."""

ALIASES = (
    NV_SUCCESS,
    NV_FAILURE,
    NV_COUNT,
    NV_EXEC_COUNT,
    NV_PENDING,
    NV_CACHE_HITS,
    NV_CACHE_MISSES,
    *NV_DURATIONS,
)
"""The same counts under Triton's names, for its dashboards and autoscalers; they lack the ending of counters."""

METRICS = (
    REQUESTS,
    REQUEST_SECONDS,
    QUEUE_SECONDS,
    BATCH_SIZE,
    INFERENCE_SECONDS,
    INFLIGHT,
    QUEUE_DEPTH,
    REPLICAS,
    RESTARTS,
    RETRIES,
    SHED,
    CACHE_REQUESTS,
    LOADS,
    SWAPS,
    EVICTIONS,
    TASKS,
    PENDING_TASKS,
    WEBHOOKS,
    REPLICA_CPU,
    REPLICA_MEMORY,
    INFO,
    *ALIASES,
)
"""All of ours. The gateway's own process is told by Prometheus's standard ``process_*`` metrics besides."""
