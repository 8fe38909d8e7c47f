"""Errors of the moment: not now, too late, or nobody waits any more."""

from __future__ import annotations

from dataclasses import dataclass

from pumice.domain.errors.base import PumiceError


class Unavailable(PumiceError):
    """Not now; later perhaps.

    Attributes:
        retry_after_s: Seconds after which another try makes sense.
    """

    code = "unavailable"
    title = "Not available now"
    retry_after_s: float = 1.0


@dataclass(eq=False)
class ModelNotReady(Unavailable):
    """The model is known but has no replica that can answer.

    Args:
        model: Name of the model.
        reason: Why, for example ``"loading"`` or the error of its last start.
        retry_after_s: Seconds after which another try makes sense.
    """

    model: str
    reason: str
    retry_after_s: float = 1.0
    code = "model-not-ready"
    title = "The model is not ready"

    @property
    def message(self) -> str:
        """Give the reason."""
        return f"model '{self.model}' is not ready: {self.reason}"


@dataclass(eq=False)
class Overloaded(Unavailable):
    """More is asked than can be answered in time, or the server is going down.

    Args:
        what: What is full, slow or closing.
        retry_after_s: Seconds after which another try makes sense.
        reason: Under which it is counted among the requests that were shed; empty: it is not one of them.
    """

    what: str
    retry_after_s: float = 1.0
    reason: str = ""
    code = "overloaded"
    title = "Overloaded"

    @property
    def message(self) -> str:
        """Say when to come back."""
        return f"{self.what}; try again in {self.retry_after_s:g} s"


@dataclass(eq=False)
class OverShare(PumiceError):
    """The caller has its share of what may wait, and others want theirs.

    Args:
        what: What is shared.
        retry_after_s: Seconds after which another try makes sense.
        reason: Under which it is counted among the requests that were shed.
    """

    what: str
    retry_after_s: float
    reason: str = "share"
    code = "over-share"
    title = "Over the caller's share"

    @property
    def message(self) -> str:
        """Say when to come back."""
        return f"{self.what}; try again in {self.retry_after_s:g} s"


@dataclass(eq=False)
class StorageFailed(Unavailable):
    """Something could not be read from or written to the disk, so nothing was promised.

    Args:
        what: The file or database.
        problem: What the system says, for example ``"database or disk is full"``.
        retry_after_s: Seconds after which another try makes sense.
    """

    what: str
    problem: str
    retry_after_s: float = 5.0
    code = "storage-failed"
    title = "The storage failed"

    @property
    def message(self) -> str:
        """Name the place and the fault."""
        return f"{self.what}: {self.problem}; free space or mend it, then try again"


@dataclass(eq=False)
class DeadlineExceeded(PumiceError):
    """The request's deadline, or the model's time limit, passed.

    Args:
        limit: What ran out, with its length, for example ``"the request's deadline"``.
    """

    limit: str
    code = "deadline-exceeded"
    title = "Deadline exceeded"

    @property
    def message(self) -> str:
        """Name the limit."""
        return f"{self.limit} passed before the answer was there"


class Cancelled(PumiceError):
    """The caller went away."""

    code = "cancelled"
    title = "Cancelled by the caller"
