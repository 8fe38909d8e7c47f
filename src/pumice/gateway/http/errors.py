"""The one table from our errors to HTTP, and the bodies in which they are told.

Light on purpose (no framework): the hot path uses it too.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from pumice.domain import errors as e

PROBLEM_JSON = "application/problem+json"
"""Media type of `problem` (RFC 9457)."""

STATUSES: Mapping[type[e.PumiceError], int] = MappingProxyType(
    {
        e.PumiceError: 500,
        e.BadRequest: 400,
        e.MalformedInput: 400,
        e.Unfit: 422,
        e.SignatureMismatch: 422,
        e.UncleanText: 422,
        e.TooLarge: 413,
        e.NotAllowed: 403,
        e.Unauthenticated: 401,
        e.Forbidden: 403,
        e.RateLimited: 429,
        e.LoadFailed: 400,  # as Triton has it
        e.LoadRefused: 403,
        e.PushRefused: 422,
        e.NotFound: 404,
        e.KeyNotFound: 404,
        e.RequestNotFound: 404,
        e.ModelNotFound: 404,
        e.TaskNotFound: 404,
        e.RegionNotFound: 404,
        e.VersionNotFound: 404,
        e.UploadNotFound: 404,
        e.VersionInUse: 409,
        e.Tampered: 500,
        e.Untrusted: 403,
        e.ExchangeFailed: 502,
        e.Unsupported: 501,
        e.Unavailable: 503,
        e.ModelNotReady: 503,
        e.Overloaded: 503,
        e.OverShare: 429,
        e.StorageFailed: 503,
        e.KeyServiceFailed: 503,
        e.DeadlineExceeded: 504,
        e.Cancelled: 499,  # nginx's code: nobody reads it but the log and the counters
        e.ModelError: 500,
        e.ModelFailed: 500,
        e.BadOutput: 500,
        e.SetupError: 500,
        e.BadSetting: 500,
        e.BadArtefact: 500,
        e.UnsafeArtefact: 500,
        e.StillSealed: 403,
        e.WrongSealKey: 500,
        e.MissingDependency: 500,
    }
)
"""Error class -> HTTP status; a test holds it against the whole tree."""

OIP_SHAPED = ("/v2", "/v1/models")
"""Beginnings of the paths whose protocols have ``{"error": …}``; everywhere else a problem document is sent."""

MAX_DETAIL = 2000
"""Longest message that is sent (characters): names that a caller made up stand in it."""

_log = logging.getLogger("pumice.gateway.http")


class Problem(msgspec.Struct, frozen=True):
    """A problem document (RFC 9457).

    Attributes:
        type: ``urn:pumice:error:<code>``.
        title: The kind of problem, in a few words.
        status: The HTTP status.
        detail: What was given, what is allowed, and what to do.
        request_id: The id under which the log has it.
    """

    type: str
    title: str
    status: int
    detail: str
    request_id: str


class OipError(msgspec.Struct, frozen=True):
    """The error of the Open Inference Protocol and of KServe v1.

    Attributes:
        error: What was given, what is allowed, and what to do.
    """

    error: str


def status_of(error: e.PumiceError) -> int:
    """Return the HTTP status of an error; a class that is not in the table has its nearest ancestor's."""
    for kind in type(error).__mro__:
        status = STATUSES.get(kind)
        if status is not None:
            return status
    return 500  # not reached: the root is in the table


def is_oip_shaped(path: str) -> bool:
    """Whether errors under this path are told as ``{"error": …}``."""
    return any(path == start or path.startswith((f"{start}/", f"{start}?")) for start in OIP_SHAPED)


def detail_of(error: e.PumiceError) -> str:
    """Return the message of an error, cut to `MAX_DETAIL`."""
    message = error.message
    return message if len(message) <= MAX_DETAIL else f"{message[: MAX_DETAIL - 1]}…"


def problem(error: e.PumiceError, request_id: str) -> bytes:
    """Return the problem document of an error as JSON (media type `PROBLEM_JSON`)."""
    return problem_document(status_of(error), error.code, error.title, detail_of(error), request_id)


def problem_document(status: int, code: str, title: str, detail: str, request_id: str) -> bytes:
    """Return a problem document for what only HTTP knows, such as an unknown path."""
    return msgspec.json.encode(Problem(f"urn:pumice:error:{code}", title, status, detail, request_id))


def oip_error(error: e.PumiceError) -> bytes:
    """Return ``{"error": message}``, the shape of OIP and KServe v1."""
    return msgspec.json.encode(OipError(detail_of(error)))


def retry_after(error: e.PumiceError) -> str | None:
    """Return the value of ``Retry-After`` (whole seconds, at least 1), or None where another try does not help."""
    if not isinstance(error, e.Unavailable | e.RateLimited | e.OverShare):
        return None
    return str(max(1, math.ceil(error.retry_after_s)))


def challenge(error: e.PumiceError) -> str | None:
    """Return the value of ``WWW-Authenticate`` (RFC 6750), or None where the caller is not asked who it is."""
    if isinstance(error, e.Unauthenticated):
        return 'Bearer realm="pumice", error="invalid_token"' if error.shown else 'Bearer realm="pumice"'
    return 'Bearer realm="pumice", error="insufficient_scope"' if isinstance(error, e.Forbidden) else None


def headers_of(error: e.PumiceError) -> dict[str, str]:
    """Return the headers that an error brings along: when to come back, and how to be known."""
    told = {"retry-after": retry_after(error), "www-authenticate": challenge(error)}
    return {name: value for name, value in told.items() if value is not None}


def internal_error(error: BaseException, request_id: str) -> e.PumiceError:
    """Log an unforeseen failure whole and return what the caller is told of it: nothing but that it happened."""
    _log.error("request failed unexpectedly", exc_info=error, extra={"request_id": request_id})
    return e.PumiceError()
