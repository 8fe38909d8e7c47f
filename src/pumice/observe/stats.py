"""Plain counters of one served version. An observation costs a list look-up; nothing here knows Prometheus."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter

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
        cache: result (hit, miss, joined) -> requests that asked the cache.
    """

    __slots__ = (
        "batch_size",
        "cache",
        "inference_seconds",
        "queue_seconds",
        "request_seconds",
        "requests",
        "restarts",
        "retries",
        "shed",
    )

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str]] = Counter()
        self.request_seconds = Histogram(SECONDS)
        self.queue_seconds = Histogram(SECONDS)
        self.inference_seconds = Histogram(SECONDS)
        self.batch_size = Histogram(ROWS)
        self.restarts = 0
        self.retries = 0
        self.shed: Counter[str] = Counter()
        self.cache: Counter[str] = Counter()

    def finished(self, protocol: str, code: str, seconds: float) -> None:
        """Count one answered request.

        Args:
            protocol: Face that it came by, for example ``http`` or ``grpc``.
            code: HTTP status, or name of the gRPC status.
            seconds: Time that it took (s).
        """
        self.requests[protocol, code] += 1
        self.request_seconds.observe(seconds)
