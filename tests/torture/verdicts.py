"""What a probe is, and how it says its verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.torture.target import Target


class Verdict(StrEnum):
    PASS = "PASS"
    FAIL = "FAIL"
    NOT_APPLICABLE = "NOT APPLICABLE"


class Failed(Exception):
    """The server did not do what the probe asks for; the message is the observation."""


class NotApplicable(Exception):
    """The server does not offer, or does not claim to support, what the probe asks for."""


def demand(condition: object, told: str) -> None:
    """Fail the probe with this observation unless the condition holds."""
    if not condition:
        raise Failed(told[:300])


Ask = Callable[["Target"], str]


@dataclass(frozen=True)
class Probe:
    """One question.

    Attributes:
        name: Its id.
        asks: What is asked, one line.
        ground: What demands it: a standard, the protocol, or `practice` where none does.
        run: Puts it; returns the observation of a pass.
        limit_s: Longest that it may take; it has failed when that is over.
        ends_server: Whether the server is meant to be gone afterwards.
    """

    name: str
    asks: str
    ground: str
    run: Ask
    limit_s: float = 30.0
    ends_server: bool = False


PROBES: list[Probe] = []


def probe(name: str, ground: str, *, limit_s: float = 30.0, ends_server: bool = False) -> Callable[[Ask], Ask]:
    """Register a probe; the first line of its docstring says what is asked."""

    def register(run: Ask) -> Ask:
        asks = (run.__doc__ or "").splitlines()[0].rstrip(".")
        PROBES.append(Probe(name, asks, ground, run, limit_s, ends_server))
        return run

    return register


@dataclass(frozen=True)
class Outcome:
    """What came of a probe."""

    probe: Probe
    verdict: Verdict
    told: str
    seconds: float
    restarted: bool = False
    """Whether the server did not answer after it and had to be started again."""
