"""What a replica's keeper tells the fronts of it."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from pumice.domain.model import Profile
from pumice.protocol.frames import ErrorRecord


class ReplicaState(StrEnum):
    """Where a replica is in its life."""

    STARTING = "starting"
    READY = "ready"
    BACKOFF = "backoff"
    STOPPED = "stopped"


class ReplicaNews(msgspec.Struct, frozen=True):
    """A replica as it stands.

    Attributes:
        number: Counts the replicas of a version from 0.
        state: Where it is in its life.
        pid: Process id, or 0 while there is none.
        life: Counts its processes from 1.
        socket: Path of the Unix socket on which it listens.
        profile: What it loaded; there once it was ready.
        warmed: Rows and seconds of the warm-up batches.
        failures: Starts and short lives in a row.
        problem: Why it is not ready, if it had failures.
        hopeless: It failed so often that requests need not wait for it.
        retry_at: When it is started again, on the monotonic clock (s); looked at in the state ``backoff``.
    """

    number: int
    state: ReplicaState = ReplicaState.STARTING
    pid: int = 0
    life: int = 0
    socket: str = ""
    profile: Profile | None = None
    warmed: tuple[tuple[int, float], ...] = ()
    failures: int = 0
    problem: ErrorRecord | None = None
    hopeless: bool = False
    retry_at: float = 0.0
