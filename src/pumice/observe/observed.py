"""What the collectors of metrics see of a served version; `pumice.runtime.front.version.ServedVersion` is one."""

from __future__ import annotations

from collections.abc import Sequence
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
