"""What the collectors of metrics see of a served version; `pumice.runtime.front.version.ServedVersion` is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pumice.observe.stats import VersionStats


class ObservedReplica(Protocol):
    """What is seen of a replica."""

    @property
    def name(self) -> str:
        """Its name; the part behind ``#`` is its number."""

    @property
    def state(self) -> str:
        """One of `pumice.observe.catalogue.REPLICA_STATES`."""

    @property
    def pid(self) -> int:
        """Process id, or 0."""


class Observed(Protocol):
    """What is seen of a served version."""

    @property
    def name(self) -> str:
        """Name of the model."""

    @property
    def version(self) -> str:
        """Its version."""

    @property
    def stats(self) -> VersionStats:
        """Its counters."""

    @property
    def depth(self) -> int:
        """Requests that wait."""

    @property
    def inflight(self) -> int:
        """Requests that wait or run."""

    @property
    def replicas(self) -> Sequence[ObservedReplica]:
        """Its replicas."""


@dataclass(frozen=True, slots=True)
class ProcessUse:
    """What the server's own processes use, without the replicas.

    Attributes:
        cpu_seconds: CPU time, that of processes that are gone included (s).
        resident_bytes: Resident memory; pages that they share count for each (bytes).
        virtual_bytes: Virtual memory (bytes).
        open_fds: Open file descriptors.
        max_fds: Most that one of them may open.
        start_seconds: When the server started (s since 1970).
    """

    cpu_seconds: float
    resident_bytes: int
    virtual_bytes: int
    open_fds: int
    max_fds: int
    start_seconds: float


@dataclass(frozen=True, slots=True)
class Observation:
    """What all processes of a server counted.

    Attributes:
        versions: The served versions.
        processes: What the processes use.
    """

    versions: Sequence[Observed]
    processes: ProcessUse
