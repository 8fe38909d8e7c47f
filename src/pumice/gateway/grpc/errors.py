"""The one table from our errors to gRPC."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pumice.domain import errors as e
from pumice.protocol.grpc.status import StatusCode

STATUSES: Mapping[type[e.PumiceError], StatusCode] = MappingProxyType(
    {
        e.PumiceError: StatusCode.INTERNAL,
        e.BadRequest: StatusCode.INVALID_ARGUMENT,
        e.MalformedInput: StatusCode.INVALID_ARGUMENT,
        e.Unfit: StatusCode.INVALID_ARGUMENT,
        e.SignatureMismatch: StatusCode.INVALID_ARGUMENT,
        e.UncleanText: StatusCode.INVALID_ARGUMENT,
        e.TooLarge: StatusCode.INVALID_ARGUMENT,  # RESOURCE_EXHAUSTED would ask the caller to try the same again
        e.NotAllowed: StatusCode.PERMISSION_DENIED,
        e.Unauthenticated: StatusCode.UNAUTHENTICATED,
        e.Forbidden: StatusCode.PERMISSION_DENIED,
        e.RateLimited: StatusCode.RESOURCE_EXHAUSTED,
        e.LoadFailed: StatusCode.INVALID_ARGUMENT,  # as Triton has it
        e.LoadRefused: StatusCode.PERMISSION_DENIED,
        e.PushRefused: StatusCode.INVALID_ARGUMENT,
        e.NotFound: StatusCode.NOT_FOUND,
        e.KeyNotFound: StatusCode.NOT_FOUND,
        e.RequestNotFound: StatusCode.NOT_FOUND,
        e.ModelNotFound: StatusCode.NOT_FOUND,
        e.TaskNotFound: StatusCode.NOT_FOUND,
        e.RegionNotFound: StatusCode.NOT_FOUND,
        e.VersionNotFound: StatusCode.NOT_FOUND,
        e.UploadNotFound: StatusCode.NOT_FOUND,
        e.VersionInUse: StatusCode.FAILED_PRECONDITION,
        e.Tampered: StatusCode.DATA_LOSS,
        e.Untrusted: StatusCode.FAILED_PRECONDITION,
        e.ExchangeFailed: StatusCode.UNAVAILABLE,
        e.Unsupported: StatusCode.UNIMPLEMENTED,
        e.Unavailable: StatusCode.UNAVAILABLE,
        e.ModelNotReady: StatusCode.UNAVAILABLE,
        e.Overloaded: StatusCode.UNAVAILABLE,
        e.OverShare: StatusCode.RESOURCE_EXHAUSTED,
        e.StorageFailed: StatusCode.UNAVAILABLE,
        e.KeyServiceFailed: StatusCode.UNAVAILABLE,
        e.DeadlineExceeded: StatusCode.DEADLINE_EXCEEDED,
        e.Cancelled: StatusCode.CANCELLED,
        e.ModelError: StatusCode.INTERNAL,
        e.ModelFailed: StatusCode.INTERNAL,
        e.BadOutput: StatusCode.INTERNAL,
        e.SetupError: StatusCode.INTERNAL,
        e.BadSetting: StatusCode.INTERNAL,
        e.BadArtefact: StatusCode.INTERNAL,
        e.UnsafeArtefact: StatusCode.INTERNAL,
        e.StillSealed: StatusCode.PERMISSION_DENIED,
        e.WrongSealKey: StatusCode.INTERNAL,
        e.MissingDependency: StatusCode.INTERNAL,
    }
)
"""Error class -> gRPC status; a test holds it against the whole tree."""

RETRY_AFTER = "retry-after"
PUSHBACK_MS = "grpc-retry-pushback-ms"

MAX_DETAILS = 1000
"""Longest message that is sent (characters); clients refuse trailers over 16 KB, and a character may take 9 bytes."""


def status_of(error: e.PumiceError) -> StatusCode:
    """Return the gRPC status of an error; a class that is not in the table has its nearest ancestor's."""
    for kind in type(error).__mro__:
        status = STATUSES.get(kind)
        if status is not None:
            return status
    return StatusCode.INTERNAL  # not reached: the root is in the table


def details_of(error: e.PumiceError) -> str:
    """Return the message of an error, cut to what fits into a trailer."""
    message = error.message
    return message if len(message) <= MAX_DETAILS else f"{message[: MAX_DETAILS - 1]}…"


def retry_metadata(error: e.PumiceError) -> tuple[tuple[str, str], ...]:
    """Return the trailing metadata that says when to come back.

    ``retry-after`` is in seconds, as in HTTP; ``grpc-retry-pushback-ms`` is what gRPC's own retries wait for.
    """
    if not isinstance(error, e.Unavailable | e.RateLimited | e.OverShare):
        return ()
    milliseconds = max(1, round(error.retry_after_s * 1000))
    return (RETRY_AFTER, f"{error.retry_after_s:g}"), (PUSHBACK_MS, str(milliseconds))
