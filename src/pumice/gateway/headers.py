"""Headers that mean the same on every route. Light on purpose (no framework): the hot path uses them too."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from itertools import count

from pumice.domain.errors import MalformedInput

REQUEST_ID = "x-request-id"
MODEL_VERSION = "x-model-version"
TIMEOUT_MS = "x-timeout-ms"
TRACEPARENT = "traceparent"

SAFE_HEADERS = ((b"x-content-type-options", b"nosniff"),)
"""Headers of every HTTP answer."""

MAX_REQUEST_ID = 128
"""Longest request id that is taken from a caller (characters)."""

MAX_WAIT_S = 60
"""Longest that ``Prefer: wait`` holds a connection (s)."""

_ID_PREFIX = os.urandom(8).hex()  # of this process; asking the system for every request costs as much as decoding one
_id_counter = count(1)


def choose_request_id(given: str) -> str:
    """Return the caller's request id if it can be trusted in logs and headers, else a new one (32 hex digits)."""
    if 0 < len(given) <= MAX_REQUEST_ID and given.isascii() and given.isprintable():
        return given
    return f"{_ID_PREFIX}{next(_id_counter):016x}"


def deadline_of(timeout_ms: str, now: float) -> float | None:
    """Return the moment at which a request's ``x-timeout-ms`` has passed.

    Args:
        timeout_ms: Value of the header (ms); empty if there is none.
        now: The monotonic clock (s).

    Raises:
        MalformedInput: It is not a positive number.
    """
    if not timeout_ms:
        return None
    try:
        milliseconds = float(timeout_ms)
    except ValueError:
        milliseconds = math.nan
    if not 0 < milliseconds < math.inf:
        raise MalformedInput(f"header '{TIMEOUT_MS}'", f"'{timeout_ms[:32]}'; expected milliseconds, a number above 0")
    return now + milliseconds / 1000


def preferred_wait(prefer: Iterable[str]) -> int | None:
    """Return how long a caller wants to wait for a result (whole seconds, at most `MAX_WAIT_S`).

    Args:
        prefer: Values of all ``Prefer`` headers (RFC 7240).

    Returns:
        None if no such preference is there or its value is no number; as the RFC wants it, that is not an error.
    """
    for value in prefer:
        for preference in value.split(","):
            name, _, seconds = preference.partition(";")[0].partition("=")
            seconds = seconds.strip().strip('"')
            if name.strip().lower() == "wait" and seconds.isascii() and seconds.isdigit():
                return min(int(seconds[:9]), MAX_WAIT_S)
    return None
