"""How errors and refusals are told on the hot path, and counted."""

from __future__ import annotations

import logging
import time

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from pumice.domain.errors import Overloaded, OverShare, PumiceError
from pumice.gateway.http.errors import headers_of, oip_error, status_of
from pumice.gateway.http.hot.exchange import Exchange
from pumice.runtime.front.version import ServedVersion

_log = logging.getLogger("pumice.gateway.http")

PROTOCOL = "http"
"""Label of this face in the metrics."""

JSON_TYPE = b"content-type: application/json\r\n"

_HOLDS = 0.002
"""Longest that a refusal is told again without looking (s): those before it may leave at any time."""


class Told:
    """An error in the protocol's shape: all of its answer but the request's id.

    Args:
        error: The error.
        served: Whose it is, if that is known.

    Attributes:
        code: HTTP status.
        label: The same as the metrics have it.
    """

    __slots__ = ("_body", "_headers", "_line", "code", "label")

    def __init__(self, error: PumiceError, served: ServedVersion | None) -> None:
        code = status_of(error)
        headers = [JSON_TYPE]
        if served is not None:
            headers.append(b"x-model-version: %s\r\n" % served.version.encode())
        headers += [b"%s: %s\r\n" % (name.encode(), value.encode()) for name, value in headers_of(error).items()]
        self.code = code
        self.label = str(code)
        self._line = STATUS_LINE[code]
        self._headers = b"".join(headers)
        self._body = oip_error(error)

    def send(self, exchange: Exchange, request_id: str) -> None:
        """Answer with it."""
        exchange.respond(self._line, [self._headers, b"x-request-id: %s\r\n" % request_id.encode()], [self._body])


class Refusal:
    """What a caller is told that is refused, ready to be sent more than once.

    Args:
        served: By whom.
        caller: Who.
        error: Why.
        now: The monotonic clock (s).

    Attributes:
        served: By whom.
        caller: Who.
        error: Why.
        until: Up to this moment another one like it would be refused too (s).
    """

    __slots__ = ("_answer", "caller", "error", "served", "until")

    def __init__(self, served: ServedVersion, caller: str, error: Overloaded | OverShare, now: float) -> None:
        self.served = served
        self.caller = caller
        self.error = error.with_traceback(None)
        # its room comes when it is told to come again, or sooner if others leave; the message has whole milliseconds
        self.until = now + min(error.retry_after_s - 0.001, _HOLDS)
        self._answer = Told(error, served)

    def answer(self, exchange: Exchange, request_id: str, started: float) -> None:
        """Send it, and count it."""
        self._answer.send(exchange, request_id)
        self.served.stats.finished(PROTOCOL, self._answer.label, time.monotonic() - started)


def fail(exchange: Exchange, served: ServedVersion | None, error: PumiceError, request_id: str, started: float) -> None:
    """Answer with an error in the protocol's shape, and count it."""
    told = Told(error, served)
    if served is not None:
        served.stats.finished(PROTOCOL, told.label, time.monotonic() - started)
    if told.code >= 500 and not isinstance(error, Overloaded):  # of those the admission tells the number now and then
        extra = {"request_id": request_id, "status": told.code, "problem": error.message}
        _log.warning("request failed", extra=extra)
    told.send(exchange, request_id)
