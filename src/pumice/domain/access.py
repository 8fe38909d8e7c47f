"""Who may do what, and how often: verbs, scopes, callers, and the bucket that counts them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from pumice.domain.errors import Forbidden, MalformedInput

EVERY = "*"
"""In a scope: every model, and what belongs to no model."""


class Verb(Enum):
    """What a route or a method asks of its caller."""

    OPEN = "open"
    """Nothing: it answers without a key. Liveness and readiness only."""
    READ = "read"
    """To look: metadata, lists, metrics, pages."""
    INFER = "infer"
    """To run models, and to get what they gave."""
    TAKE = "take"
    """To take files of stored versions away; not given to who may only run the model."""
    MANAGE = "manage"
    """To change what is served, and who may come in."""


_GIVEN_BY = {
    Verb.READ: (Verb.READ, Verb.INFER, Verb.MANAGE),  # who runs a model must be able to look up what it takes
    Verb.INFER: (Verb.INFER,),
    Verb.TAKE: (Verb.READ, Verb.MANAGE),
    Verb.MANAGE: (Verb.MANAGE,),
}
_ASKED = {Verb.TAKE: Verb.READ}
"""The scope that a refusal names, where it is not called as the verb."""

_GRANTED = ("infer", "read", "manage")


@dataclass(frozen=True, slots=True)
class Scope:
    """Something that a caller may do.

    Attributes:
        verb: What. ``infer`` and ``manage`` include ``read`` of the same model; ``infer`` but to take its
            files away.
        model: Name of the model it may be done with; `EVERY`: with every one, and with the server as a whole.
    """

    verb: Verb
    model: str

    def __str__(self) -> str:
        return f"{self.verb.value}:{self.model}"


def parse_scope(text: str) -> Scope:
    """Read ``VERB:MODEL``, for example ``infer:sentiment`` or ``manage:*``.

    Raises:
        MalformedInput: It is none.
    """
    verb, colon, model = text.partition(":")
    if not colon or verb not in _GRANTED or not model or not model.isprintable():
        allowed = "VERB:MODEL, the verb infer, read or manage, the model a name or * for all, like infer:sentiment"
        raise MalformedInput(f"scope '{text[:80]}'", f"expected {allowed}")
    return Scope(Verb(verb), model)


@dataclass(frozen=True, slots=True)
class Rate:
    """How often a caller may ask.

    Attributes:
        per_second: Requests per second in the long run, above 0.
        burst: Requests that may come at once after a rest, at least 1.
    """

    per_second: float
    burst: int


def rate_of(per_second: float | None, burst: int | None) -> Rate | None:
    """Make a rate; the burst is one second's worth if it is left out.

    Raises:
        MalformedInput: A number is out of range.
    """
    if per_second is None:
        if burst is not None:
            raise MalformedInput("burst", "it needs a rate beside it")
        return None
    if not 0 < per_second < math.inf:
        raise MalformedInput("rate", f"{per_second:g}; expected requests per second, above 0")
    if burst is not None and burst < 1:
        raise MalformedInput("burst", f"{burst}; expected requests, at least 1")
    return Rate(per_second, burst or max(1, math.ceil(per_second)))


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller who is known.

    Attributes:
        caller: Who it is, for example ``key:4Zc1…``; empty for anybody.
        scopes: What it may do.
        rate: How often it may ask; None: as often as it likes.
        until: Moment from which it is unknown again (s since 1970).
        name: What people call it, where they call it something.
    """

    caller: str
    scopes: frozenset[Scope]
    rate: Rate | None = None
    until: float = math.inf
    name: str = ""

    def allows(self, verb: Verb, model: str) -> bool:
        """Whether it may do this with a model (`EVERY`: with the server as a whole)."""
        if verb is Verb.OPEN:
            return True
        scopes = self.scopes
        return any(Scope(given, EVERY) in scopes or Scope(given, model) in scopes for given in _GIVEN_BY[verb])

    def allows_some(self, verb: Verb) -> bool:
        """Whether it may do this with at least one model."""
        return verb is Verb.OPEN or any(scope.verb in _GIVEN_BY[verb] for scope in self.scopes)

    def permit(self, verb: Verb, model: str) -> None:
        """Let it do this.

        Raises:
            Forbidden: Its scopes do not say so.
        """
        if not self.allows(verb, model):
            raise Forbidden(self.caller, f"{_ASKED.get(verb, verb).value}:{model}")


def scopes_of(texts: Iterable[str]) -> frozenset[Scope]:
    """Read scopes.

    Raises:
        MalformedInput: One cannot be read.
    """
    return frozenset(map(parse_scope, texts))


ANYBODY = Principal("", scopes_of(f"{verb}:{EVERY}" for verb in _GRANTED))
"""The caller of a server that asks for no key."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """A token bucket as it stood at a moment.

    Attributes:
        tokens: Requests that it would have let through.
        at: The moment (s, on any clock that does not go back).
    """

    tokens: float
    at: float


def draw(bucket: Bucket | None, rate: Rate, wanted: int, now: float) -> tuple[Bucket, int, float]:
    """Take tokens.

    Args:
        bucket: As it stood; None: nobody has drawn yet, it is full.
        rate: How fast it fills, and how much it holds.
        wanted: Tokens, at least 1.
        now: The moment (s). If it lies far before the bucket's, the clock began anew, and the bucket is full; a little
            before it, another process has looked at the clock later but came first.

    Returns:
        The bucket now, the tokens that were there (0 to ``wanted``), and the time until the next one is there (s; 0
        if some were given).
    """
    tokens = float(rate.burst)
    if bucket is not None and now > bucket.at - _OVERTAKEN:
        now = max(now, bucket.at)
        tokens = min(tokens, bucket.tokens + (now - bucket.at) * rate.per_second)
    given = min(wanted, int(tokens + _ROUNDING))
    tokens = max(0.0, tokens - given)
    return Bucket(tokens, now), given, 0.0 if given else (1 - tokens) / rate.per_second


_ROUNDING = 1e-9
"""What floats may lack of a whole token."""

_OVERTAKEN = 60.0
"""Longest time from a process's look at the clock to its draw (s)."""

_SPAN = re.compile(r"(\d{1,9})\s*([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def parse_span(text: str) -> float:
    """Read a span of time, for example ``30d``; returns seconds.

    Raises:
        MalformedInput: It is none.
    """
    match = _SPAN.fullmatch(text.strip())
    if match is None or int(match[1]) == 0:
        raise MalformedInput(f"'{text[:40]}'", "expected a number and s, m, h, d or w, like 30d or 12h")
    return float(int(match[1]) * _SECONDS[match[2]])
