"""Plain counters of one served version. An observation costs a list look-up; nothing here knows Prometheus."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict

SECONDS = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
)  # fmt: skip
"""Upper bounds of the latency buckets (s)."""

ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
"""Upper bounds of the batch-size buckets (rows)."""


class Histogram:
    """Counts in buckets and their sum.

    Args:
        bounds: Upper bounds of the buckets, ascending; one more is added for all that is above.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    @property
    def count(self) -> int:
        """How many values were counted."""
        return sum(self.counts)


class BatchTimes:
    """What the batches of one size took.

    Attributes:
        batches: How many there were.
        input_s: From the batch's start in the front process to the model's call in the replica (s).
        infer_s: In the model's call (s).
        output_s: From there to the answer in the front process (s).
    """

    __slots__ = ("batches", "infer_s", "input_s", "output_s")

    def __init__(self) -> None:
        self.batches = 0
        self.input_s = 0.0
        self.infer_s = 0.0
        self.output_s = 0.0

    def add(self, input_s: float, infer_s: float, output_s: float, times: int = 1) -> None:
        """Count a batch, or each of so many requests in it."""
        self.batches += times
        self.input_s += input_s * times
        self.infer_s += infer_s * times
        self.output_s += output_s * times


class VersionStats:
    """Counters of one version of a model.

    Attributes:
        requests: (protocol, code) -> finished requests.
        request_seconds: From the decoded request to the written answer (s).
        queue_seconds: From the queue's begin to the batch's start (s).
        inference_seconds: One batch in the replica (s).
        batch_size: Rows of the batches.
        restarts: Replicas that were started again.
        retries: Requests that were run again after their replica died.
        shed: reason -> requests that were refused or dropped without being run.
        loads: Times that it was loaded into memory after the server had started.
        evictions: Times that it left the memory for others.
        swaps: result (one of `pumice.observe.catalogue.SWAP_RESULTS`) -> moves of the alias that the model follows.
        cache: result (hit, miss, joined) -> requests that asked the cache.
        cache_seconds: result -> time of those look-ups (s).
        tasks: state (one of `pumice.observe.catalogue.TASK_STATES`) -> asynchronous tasks that came to it.
        pending_tasks: Asynchronous tasks that were not finished when the database told last.
        webhooks: result (one of `pumice.observe.catalogue.WEBHOOK_RESULTS`) -> tries to tell of a task's end.
        failed: Requests that were answered with an error.
        failed_seconds: Their part of `request_seconds` (s).
        batches: Rows -> the batches of that size that were answered without an error.
        in_batches: The requests in those batches; each took the time of its whole batch.
        rows: Their rows.
        last_batch: When the last of them ended, on the monotonic clock (s); 0: there was none.
    """

    __slots__ = (
        "batch_size",
        "batches",
        "cache",
        "cache_seconds",
        "evictions",
        "failed",
        "failed_seconds",
        "in_batches",
        "inference_seconds",
        "last_batch",
        "loads",
        "pending_tasks",
        "queue_seconds",
        "request_seconds",
        "requests",
        "restarts",
        "retries",
        "rows",
        "shed",
        "swaps",
        "tasks",
        "webhooks",
    )

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str]] = Counter()
        self.request_seconds = Histogram(SECONDS)
        self.queue_seconds = Histogram(SECONDS)
        self.inference_seconds = Histogram(SECONDS)
        self.batch_size = Histogram(ROWS)
        self.restarts = 0
        self.retries = 0
        self.loads = 0
        self.evictions = 0
        self.shed: Counter[str] = Counter()
        self.swaps: Counter[str] = Counter()
        self.cache: Counter[str] = Counter()
        self.cache_seconds: defaultdict[str, float] = defaultdict(float)
        self.tasks: Counter[str] = Counter()
        self.pending_tasks = 0
        self.webhooks: Counter[str] = Counter()
        self.failed = 0
        self.failed_seconds = 0.0
        self.batches: dict[int, BatchTimes] = {}
        self.in_batches = BatchTimes()
        self.rows = 0
        self.last_batch = 0.0

    def finished(self, protocol: str, code: str, seconds: float) -> None:
        """Count one answered request.

        Args:
            protocol: Face that it came by, for example ``http`` or ``grpc``.
            code: HTTP status, or name of the gRPC status.
            seconds: Time that it took (s).
        """
        self.requests[protocol, code] += 1
        took = self.request_seconds
        took.counts[bisect_left(SECONDS, seconds)] += 1  # `observe`, without a call for each request
        took.total += seconds
        if code[0] != "2" and code != "OK":
            self.failed += 1
            self.failed_seconds += seconds

    def answered(self, rows: int, requests: int, times: tuple[float, float, float], now: float) -> None:
        """Count a batch that was answered without an error.

        Args:
            rows: Its rows.
            requests: Its requests.
            times: On the way to the model, in it, and back (s).
            now: The monotonic clock (s).
        """
        of_size = self.batches.get(rows)
        if of_size is None:
            of_size = self.batches[rows] = BatchTimes()
        of_size.add(*times)
        self.in_batches.add(*times, requests)
        self.rows += rows
        self.last_batch = now
