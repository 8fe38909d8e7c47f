"""Errors at the door: who is not known, may not, or asks too often."""

from __future__ import annotations

from dataclasses import dataclass

from pumice.domain.errors.base import PumiceError


class NotAllowed(PumiceError):
    """The server wants a key, or the key does not allow this."""

    code = "not-allowed"
    title = "Not allowed"


@dataclass(eq=False)
class Unauthenticated(NotAllowed):
    """The caller showed no key or token, or none that is good here.

    Args:
        problem: What is wrong with what it showed; never the thing itself.
        shown: Whether it showed anything.
    """

    problem: str
    shown: bool = False
    code = "unauthenticated"
    title = "The caller is not known"

    @property
    def message(self) -> str:
        """Say how to be known."""
        return f"{self.problem}; send 'Authorization: Bearer' and a key or token that is good for this server"


@dataclass(eq=False)
class Forbidden(NotAllowed):
    """The caller is known and may not do this.

    Args:
        caller: Who it is.
        needed: The scope that it lacks, for example ``"infer:sentiment"``.
    """

    caller: str
    needed: str
    code = "forbidden"
    title = "The caller may not do this"

    @property
    def message(self) -> str:
        """Name the scope that is missing."""
        return f"'{self.caller}' lacks the scope '{self.needed}'; use a key or token that has it"


@dataclass(eq=False)
class RateLimited(PumiceError):
    """The caller asks more often than its rate allows.

    Args:
        caller: Who it is.
        rate: Requests per second that it may make.
        burst: Requests that it may make at once.
        retry_after_s: Seconds after which its next request is let through.
    """

    caller: str
    rate: float
    burst: int
    retry_after_s: float
    code = "rate-limited"
    title = "Too many requests of this caller"

    @property
    def message(self) -> str:
        """Give the rate, and when to come back."""
        allowed = f"{self.rate:g} requests per second and {self.burst} at once"
        return f"'{self.caller}' may make {allowed}; try again in {self.retry_after_s:.3g} s"
