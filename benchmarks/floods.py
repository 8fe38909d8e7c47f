"""What a flood of requests showed: one record for each rate that was offered, and one for each burst."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pumice.client.load import LoadResult, Outcome

FLOOD = 10.0
"""The multiple of the capacity that the bounds are about."""
REFUSALS = ("status 503", "status 429")
EXPIRED = "status 504"


@dataclass(frozen=True)
class Flood:
    """One server at one offered rate in one round.

    Attributes:
        round: Number of the round, from 0.
        case: Name of the case.
        server: Name of the server.
        times: What was offered, as a multiple of the capacity.
        capacity: Right answers a second of a closed loop, measured in the same round.
        deadline_ms: Of every request.
        offered: Requests that were sent, or due, a second.
        goodput: Right answers a second that came within the deadline.
        late: Right answers a second that came after it.
        expired: Requests a second that were accepted and then answered with 504.
        refused: Requests a second that were answered with 503 or 429.
        other: Requests a second that failed in another way, or were never sent.
        accepted_p50_ms: Median latency of the right answers.
        accepted_p99_ms: Their 99th percentile.
        refusal_p50_ms: Median latency of the refusals; 0: there was none.
        refusal_p99_ms: Their 99th percentile.
        refusal_max_ms: Their longest.
        told: Part of the refusals with a `Retry-After` of whole seconds, 1 or more.
        cpu: CPU seconds a second of the server's whole process tree.
        generator_cpu: CPU seconds a second of the generator.
    """

    round: int
    case: str
    server: str
    times: float
    capacity: float
    deadline_ms: float
    offered: float
    goodput: float
    late: float
    expired: float
    refused: float
    other: float
    accepted_p50_ms: float
    accepted_p99_ms: float
    refusal_p50_ms: float
    refusal_p99_ms: float
    refusal_max_ms: float
    told: float
    cpu: float
    generator_cpu: float

    @property
    def kept(self) -> float:
        """Part of the capacity that was answered in time."""
        return self.goodput / self.capacity


@dataclass(frozen=True)
class Flow:
    """Where a flood belongs.

    Attributes:
        round: Number of the round, from 0.
        case: Name of the case.
        server: Name of the server.
        times: What is offered, as a multiple of the capacity.
        capacity: Right answers a second.
        deadline: Of every request (s).
    """

    round: int
    case: str
    server: str
    times: float
    capacity: float
    deadline: float


@dataclass(frozen=True)
class Burst:
    """Many requests at once, whose refused ones come back after just the `Retry-After` that they were told.

    Attributes:
        round: Number of the round, from 0.
        case: Name of the case.
        requests: How many at once.
        deadline: Of every request (s).
        first: How many were answered rightly at first.
        refused: How many were refused at first.
        back: How many of these were let in when they came back for the first time.
        right: How many of these were answered within the deadline.
        longest: The longest `Retry-After` (s).
    """

    round: int
    case: str
    requests: int
    deadline: float
    first: int
    refused: int
    back: int
    right: int
    longest: float


def flood_of(flow: Flow, found: LoadResult) -> Flood:
    """Sums one load run up."""
    right = [outcome.seconds for outcome in found.outcomes if not outcome.problem]
    refusals = [outcome for outcome in found.outcomes if outcome.problem in REFUSALS]
    expired = sum(outcome.problem == EXPIRED for outcome in found.outcomes)
    unsent = found.failures.get("unsent", 0)
    good = sum(seconds <= flow.deadline for seconds in right)
    waits = [outcome.seconds for outcome in refusals]

    def rate(count: int) -> float:
        return count / found.seconds

    return Flood(
        round=flow.round,
        case=flow.case,
        server=flow.server,
        times=flow.times,
        capacity=flow.capacity,
        deadline_ms=1000 * flow.deadline,
        offered=rate(len(found.outcomes) + unsent),
        goodput=rate(good),
        late=rate(len(right) - good),
        expired=rate(expired),
        refused=rate(len(refusals)),
        other=rate(len(found.outcomes) + unsent - len(right) - len(refusals) - expired),
        accepted_p50_ms=_ms(right, 50),
        accepted_p99_ms=_ms(right, 99),
        refusal_p50_ms=_ms(waits, 50),
        refusal_p99_ms=_ms(waits, 99),
        refusal_max_ms=_ms(waits, 100),
        told=sum(map(_told, refusals)) / len(refusals) if refusals else 0.0,
        cpu=(found.server_cpu_seconds or 0.0) / found.seconds,
        generator_cpu=found.generator_cpu_seconds / found.seconds,
    )


def _told(outcome: Outcome) -> bool:
    return outcome.retry_after.isdigit() and int(outcome.retry_after) >= 1


def _ms(seconds: Sequence[float], percentile: float) -> float:
    return 1000 * float(np.percentile(seconds, percentile)) if seconds else 0.0
