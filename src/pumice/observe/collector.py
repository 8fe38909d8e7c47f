"""Turns plain counters into metric families; imported at the first scrape."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, UnknownMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from pumice.observe import catalogue
from pumice.observe.catalogue import Metric
from pumice.observe.observed import Observed, ProcessUse
from pumice.observe.stats import Histogram

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


_REASONS = {
    "503": "REJECTED",
    "429": "REJECTED",
    "UNAVAILABLE": "REJECTED",
    "499": "CANCELED",
    "CANCELLED": "CANCELED",
    "500": "BACKEND",
    "INTERNAL": "BACKEND",
}
"""Status -> Triton's reason for a failure; all others are ``OTHER``."""


class ServingCollector(Collector):
    """Collects from all served versions.

    Args:
        observed: Gives them.
        server_version: Version of the server.
    """

    def __init__(self, observed: Callable[[], Iterable[Observed]], server_version: str) -> None:
        self._observed = observed
        self._server_version = server_version

    def collect(self) -> Iterator[Family]:
        """Read all counters."""
        families = _Families()
        families.values[catalogue.INFO.name].add_metric((self._server_version,), 1)
        for served in self._observed():
            families.add(served)
        yield from families.values.values()
        yield from families.histograms.values()


class ProcessesCollector(Collector):
    """The standard ``process_*`` metrics, of several processes together.

    Args:
        use: What they use.
    """

    def __init__(self, use: ProcessUse) -> None:
        self._use = use

    def collect(self) -> Iterator[Family]:
        """Give the sums."""
        use = self._use
        told = "of the server's own processes together"
        yield CounterMetricFamily("process_cpu_seconds_total", f"CPU time {told}, in seconds.", use.cpu_seconds)
        for name, what, value in (
            ("process_resident_memory_bytes", "Resident memory", use.resident_bytes),
            ("process_virtual_memory_bytes", "Virtual memory", use.virtual_bytes),
            ("process_open_fds", "Open file descriptors", use.open_fds),
        ):
            yield GaugeMetricFamily(name, f"{what} {told}.", value)
        yield GaugeMetricFamily("process_max_fds", "Most file descriptors that one process may open.", use.max_fds)
        yield GaugeMetricFamily(
            "process_start_time_seconds", "When the server started, in seconds since 1970.", use.start_seconds
        )


class _Families:
    """All metrics of the catalogue, filled version by version."""

    def __init__(self) -> None:
        kinds = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily, "unknown": UnknownMetricFamily}
        self.values: dict[str, CounterMetricFamily | GaugeMetricFamily | UnknownMetricFamily] = {
            metric.name: kinds[metric.kind](metric.name, metric.help, labels=metric.labels)
            for metric in catalogue.METRICS
            if metric.kind in kinds
        }
        self.histograms = {
            metric.name: HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
            for metric in catalogue.METRICS
            if metric.kind == "histogram"
        }

    def add(self, served: Observed) -> None:
        """Add the samples of one version.

        Label sets that are known beforehand are there from the start with 0, so that rates see the first increase.
        """
        stats = served.stats
        for (protocol, code), count in stats.requests.items():
            self._value(catalogue.REQUESTS, served, count, protocol, code)
        self._histogram(catalogue.REQUEST_SECONDS, served, stats.request_seconds)
        self._histogram(catalogue.QUEUE_SECONDS, served, stats.queue_seconds)
        self._histogram(catalogue.BATCH_SIZE, served, stats.batch_size)
        self._histogram(catalogue.INFERENCE_SECONDS, served, stats.inference_seconds)
        self._value(catalogue.INFLIGHT, served, served.inflight)
        self._value(catalogue.QUEUE_DEPTH, served, served.depth)
        self._value(catalogue.RESTARTS, served, stats.restarts)
        self._value(catalogue.RETRIES, served, stats.retries)
        self._value(catalogue.LOADS, served, stats.loads)
        for result in catalogue.SWAP_RESULTS:
            self._value(catalogue.SWAPS, served, stats.swaps[result], result)
        self._value(catalogue.EVICTIONS, served, stats.evictions)
        for reason in dict.fromkeys((*catalogue.SHED_REASONS, *stats.shed)):
            self._value(catalogue.SHED, served, stats.shed[reason], reason)
        for result in dict.fromkeys((*catalogue.CACHE_RESULTS, *stats.cache)):
            self._value(catalogue.CACHE_REQUESTS, served, stats.cache[result], result)
        for state in catalogue.TASK_STATES:
            self._value(catalogue.TASKS, served, stats.tasks[state], state)
        self._value(catalogue.PENDING_TASKS, served, stats.pending_tasks)
        for result in catalogue.WEBHOOK_RESULTS:
            self._value(catalogue.WEBHOOKS, served, stats.webhooks[result], result)
        self._replicas(served)
        self._aliases(served)

    def _replicas(self, served: Observed) -> None:
        states = [str(replica.state) for replica in served.replicas]
        for state in dict.fromkeys((*catalogue.REPLICA_STATES, *states)):
            self._value(catalogue.REPLICAS, served, states.count(state), state)
        for replica in served.replicas:
            used = _resources(replica.pid) if replica.pid else None
            if used is not None:
                number = replica.name.rpartition("#")[2]
                self._value(catalogue.REPLICA_CPU, served, used[0], number)
                self._value(catalogue.REPLICA_MEMORY, served, used[1], number)

    def _aliases(self, served: Observed) -> None:
        stats = served.stats
        self._value(catalogue.NV_SUCCESS, served, sum(stats.requests.values()) - stats.failed)
        reasons = dict.fromkeys(catalogue.NV_REASONS, 0)
        for (_, code), count in stats.requests.items():
            if code[0] != "2" and code != "OK":
                reasons[_REASONS.get(code, "OTHER")] += count
        for reason, count in reasons.items():
            self._value(catalogue.NV_FAILURE, served, count, reason)
        self._value(catalogue.NV_COUNT, served, stats.rows)
        self._value(catalogue.NV_EXEC_COUNT, served, sum(times.batches for times in stats.batches.values()))
        self._value(catalogue.NV_PENDING, served, served.depth)
        self._value(catalogue.NV_CACHE_HITS, served, stats.cache["hit"] + stats.cache["joined"])
        self._value(catalogue.NV_CACHE_MISSES, served, stats.cache["miss"])
        times = stats.in_batches
        answered = stats.request_seconds.total - stats.failed_seconds
        spent = (answered, stats.queue_seconds.total, times.input_s, times.infer_s, times.output_s)
        for metric, seconds in zip(catalogue.NV_DURATIONS, spent, strict=True):
            self._value(metric, served, round(seconds * 1e6))

    def _value(self, metric: Metric, served: Observed, value: float, *labels: str) -> None:
        self.values[metric.name].add_metric((served.name, served.version, *labels), value)

    def _histogram(self, metric: Metric, served: Observed, histogram: Histogram) -> None:
        self.histograms[metric.name].add_metric((served.name, served.version), _buckets(histogram), histogram.total)


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    """The cumulative counts by upper bound, as Prometheus has them."""
    bounds = [*map(floatToGoString, histogram.bounds), "+Inf"]
    return list(zip(bounds, accumulate(histogram.counts), strict=True))


def _resources(pid: int) -> tuple[float, int] | None:
    """CPU time (s) and resident memory (bytes) of a process; None if it is gone or the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="latin-1").rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND, int(fields[21]) * _PAGE_BYTES
