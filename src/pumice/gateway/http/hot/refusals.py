"""What is said to a caller whose request is refused before anyone has read it."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

import httptools
import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from pumice.gateway.http.errors import PROBLEM_JSON, OipError, is_oip_shaped, problem_document
from pumice.gateway.http.hot.limits import HttpLimits

CODES: Mapping[int, str] = MappingProxyType(
    {
        400: "malformed-http",
        408: "too-slow",
        413: "too-large",
        414: "target-too-long",
        431: "head-too-large",
        501: "unsupported",
        503: "overloaded",
        505: "http-version",
    }
)
"""Status of a refusal -> its kind, for programs; the OpenAPI document names each."""


class Refused(Exception):
    """A request that HTTP, or a limit, does not allow.

    Args:
        status: HTTP status of the answer.
        detail: What was given, what is allowed, what to do.
    """

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


def last_words(refused: Refused, path: str, common: bytes) -> bytes:
    """Write a whole answer, after which the connection is closed.

    Args:
        refused: What is wrong.
        path: Path of the request, as far as it is known: tells the shape of the error.
        common: Headers that every answer carries.
    """
    status = refused.status
    if is_oip_shaped(path):
        kind, body = "application/json", msgspec.json.encode(OipError(refused.detail))
    else:
        title = HTTPStatus(status).phrase
        kind, body = PROBLEM_JSON, problem_document(status, CODES[status], title, refused.detail, "")
    head = f"content-type: {kind}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n"
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        head += "retry-after: 1\r\n"
    return b"%b%b%b\r\n%b" % (STATUS_LINE[status], common, head.encode(), body)


def parser_refusal(error: httptools.HttpParserError, data: bytes) -> Refused:
    """Say what the parser found wrong.

    Args:
        error: As it was raised.
        data: What the parser was given.
    """
    cause = error.__context__
    if isinstance(cause, Refused):
        return cause
    if data[:1] == b"\x16":
        return Refused(400, "this port speaks plain HTTP; these bytes begin a TLS handshake")
    told = str(error)
    if isinstance(error, httptools.HttpParserInvalidMethodError):
        return Refused(501, "the method is none of HTTP's; send GET, HEAD, POST, DELETE or OPTIONS")
    if "HTTP version" in told or "PRI" in told:
        return Refused(505, "this port speaks HTTP/1.0 and HTTP/1.1")
    return Refused(400, f"this is no HTTP/1.1 request: {told[:200]}")


def too_slow_head(limits: HttpLimits) -> Refused:
    """The head has taken too long."""
    return Refused(408, f"the head of the request was not there within {limits.header_timeout:g} s")


def too_slow_body(limits: HttpLimits) -> Refused:
    """The body has taken too long."""
    allowed = f"{limits.body_timeout:g} s and one more for each {limits.min_rate} bytes"
    return Refused(408, f"the body of the request was not there within {allowed}")


def too_many_connections(limits: HttpLimits) -> Refused:
    """There is no room for one more."""
    return Refused(503, f"{limits.max_connections} connections are open, which is the most; try again in 1 s")
