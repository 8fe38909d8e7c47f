"""What a load run found."""

import msgspec


class Latency(msgspec.Struct, frozen=True):
    """Latency of the right answers in milliseconds; all 0 when there was none.

    The maximum and the mean are exact, the percentiles to 0.2 %.
    """

    mean_ms: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    p99_9_ms: float
    max_ms: float


class Bucket(msgspec.Struct, frozen=True):
    """One bar of the latency histogram; ten buckets span a factor of ten.

    Attributes:
        upto_ms: Upper edge in milliseconds; the lower edge is the bucket before.
        count: Answers in it.
    """

    upto_ms: float
    count: int


class Outcome(msgspec.Struct, frozen=True, array_like=True):
    """What became of one request.

    Attributes:
        at: When it was sent, or was due, from the opening of the window (s).
        seconds: From then to its answer or its failure (s).
        problem: The kind of failure; empty: it was answered rightly.
        retry_after: The answer's ``Retry-After``; empty: it has none.
    """

    at: float
    seconds: float
    problem: str
    retry_after: str


class LoadResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one run measured.

    Attributes:
        requests: Right answers that came within the window.
        failures: Failed requests by kind: `connect`, `closed`, `timeout`, `protocol`, `wrong answer`, `unsent`
            (due in the open loop but never sent), or `status N`. A request that was under way when the window
            closed is waited for, and counts here if it fails.
        failure_examples: The first few failures, each with the beginning of its answer.
        seconds: Length of the window.
        latency: Latency of the requests counted in `requests`.
        histogram: The same as a distribution, first to last bucket that is not empty.
        generator_cpu_seconds: CPU time that the generator itself used over the window.
        server_cpu_seconds: CPU time of the job's `pids` with all their descendants over the window, those that
            ended in it too; None without `pids`.
        outcomes: Every request that was sent in the window, in the order of the answers; empty without `keep`.
    """

    requests: int
    failures: dict[str, int]
    failure_examples: tuple[str, ...]
    seconds: float
    latency: Latency
    histogram: tuple[Bucket, ...]
    generator_cpu_seconds: float
    server_cpu_seconds: float | None
    outcomes: tuple[Outcome, ...] = ()

    @property
    def failed(self) -> int:
        """Failed requests of all kinds."""
        return sum(self.failures.values())

    @property
    def requests_per_second(self) -> float:
        """Right answers a second."""
        return self.requests / self.seconds if self.seconds > 0 else 0.0

    @property
    def generator_cpu_ms_per_request(self) -> float:
        """What sending and checking a request cost the generator, in milliseconds; 0 without requests."""
        return 1000 * self.generator_cpu_seconds / self.requests if self.requests else 0.0

    @property
    def server_cpu_ms_per_request(self) -> float | None:
        """What answering a request cost the server, in milliseconds; None without `pids` or requests."""
        if self.server_cpu_seconds is None or not self.requests:
            return None
        return 1000 * self.server_cpu_seconds / self.requests
