"""Turns a server's refusal into the class of the error tree that fits it.

The server sends a status and a sentence, not the fields from which it built its error. So a refusal is an instance of
the class's nearest ancestor that has no fields of its own, except where the call itself knows them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from pumice.client.errors import ServerFailed
from pumice.client.flow import Reply
from pumice.client.retry import retry_after
from pumice.domain import errors as e
from pumice.domain.errors import NotAllowed

__all__ = ["NotAllowed", "Refused", "refusal"]

_PROBLEM = "urn:pumice:error:"
_EXCERPT = 200
"""Longest part of an answer without a readable error that is shown (characters)."""


class Refused(e.PumiceError):
    """What a server said instead of an answer; always mixed with the class that fits.

    Attributes:
        status: The HTTP status.
        detail: The server's sentence.
        request_id: The id under which the server's log has it, or an empty string.
        server_code: The server's own slug of the error, or an empty string.
    """

    def __init__(self, reply: Reply) -> None:
        self.status = reply.status
        self.detail, self.server_code = _read(reply)
        self.request_id = reply.headers.get("x-request-id", "")

    @property
    def message(self) -> str:
        """The server's sentence."""
        return self.detail


class RefusedRequest(Refused, e.BadRequest):
    """400."""


class RefusedInput(Refused, e.Unfit):
    """413 or 422."""


class UnknownCaller(Refused, e.Unauthenticated):
    """401."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply)
        self.problem, self.shown = self.detail, False


class RefusedCaller(Refused, NotAllowed):
    """403."""


class NothingThere(Refused, e.NotFound):
    """404 of neither a model nor a task."""


class UnknownModel(Refused, e.ModelNotFound):
    """404 of a model."""

    def __init__(self, reply: Reply, model: str, version: str) -> None:
        super().__init__(reply)
        self.model, self.version, self.known = model, version, ()


class UnknownTask(e.TaskNotFound, Refused):
    """404 of a task; its only field is known here, so it speaks for itself."""

    def __init__(self, reply: Reply, task_id: str) -> None:
        Refused.__init__(self, reply)
        self.task_id = task_id


class NotDone(Refused, e.Unsupported):
    """501."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply)
        self.what, self.instead = self.detail, ""


class StillUsed(Refused, e.VersionInUse):
    """409 of a version that something needs."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply)
        self.ref, self.reason, self.mend = "", self.detail, ""


class ChangedBytes(Refused, e.Tampered):
    """500 of a store whose bytes have changed."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply)
        self.what, self.problem = "", self.detail


class NoTrustedKey(Refused, e.Untrusted):
    """403 of a version that no trusted key signed."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply)
        self.what, self.problem, self.mend = "", self.detail, ""


class NotInTheClear(Refused, e.StillSealed):
    """403 of what would have to be told in the clear."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply)
        self.ref, self.mend = "", ""


class NoSuchUpload(Refused, e.UploadNotFound):
    """404 of a push."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply)
        self.upload = ""


class TooOften(Refused, e.RateLimited, e.Unavailable):
    """429; also an `Unavailable`, since another try helps in the same way."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply)
        self.caller, self.rate, self.burst = "", 0.0, 0  # the sentence has them
        asked = retry_after(reply.headers.get("retry-after", ""), time.time())
        self.retry_after_s = e.Unavailable.retry_after_s if asked is None else asked


class NotNow(Refused, e.Unavailable):
    """503."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply)
        asked = retry_after(reply.headers.get("retry-after", ""), time.time())
        self.retry_after_s = e.Unavailable.retry_after_s if asked is None else asked


class TooLate(Refused, e.DeadlineExceeded):
    """504."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply)
        self.limit = "a limit of the server"


class FailedModel(Refused, e.ModelError):
    """500 of a model."""


class FailedServer(Refused, ServerFailed):
    """Any other status."""


_CLASSES: Mapping[int, type[Refused]] = MappingProxyType(
    {
        400: RefusedRequest,
        401: UnknownCaller,
        403: RefusedCaller,
        404: NothingThere,
        413: RefusedInput,
        422: RefusedInput,
        429: TooOften,
        501: NotDone,
        503: NotNow,
        504: TooLate,
    }
)


_BY_CODE: Mapping[str, type[Refused]] = MappingProxyType(
    {
        e.VersionInUse.code: StillUsed,
        e.Tampered.code: ChangedBytes,
        e.Untrusted.code: NoTrustedKey,
        e.StillSealed.code: NotInTheClear,
        e.UploadNotFound.code: NoSuchUpload,
    }
)
"""Where the status alone does not say enough."""


def refusal(reply: Reply, *, model: str = "", version: str = "", task_id: str = "") -> e.PumiceError:
    """Build the error that an answer tells of.

    Args:
        reply: Any answer that is not a success.
        model: The model that the call was about.
        version: The version that was asked for.
        task_id: The task that the call was about.
    """
    if reply.status == 404 and model:
        return UnknownModel(reply, model, version)
    if reply.status == 404 and task_id:
        return UnknownTask(reply, task_id)
    if reply.status == 500 and model:
        return FailedModel(reply)
    kind = _BY_CODE.get(_read(reply)[1]) or _CLASSES.get(reply.status, FailedServer)
    return kind(reply)


def _read(reply: Reply) -> tuple[str, str]:
    """Find the sentence and the slug in an error body of any of the shapes that servers use."""
    try:
        body: Any = msgspec.json.decode(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        body = None
    if isinstance(body, dict):
        kind = str(body.get("type", ""))
        code = kind.removeprefix(_PROBLEM) if kind.startswith(_PROBLEM) else ""
        for key in ("detail", "error", "message"):
            if isinstance(body.get(key), str) and body[key]:
                return body[key], code
    text = reply.body[:_EXCERPT].decode(errors="replace").strip()
    return f"status {reply.status}" + (f": {text}" if text else ""), ""
