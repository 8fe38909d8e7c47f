"""Giving an answer out: JSON, and errors in the shape of the protocol that the path belongs to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from pumice.domain.errors import Overloaded, PumiceError, TooLarge
from pumice.gateway.http import errors

JSON = "application/json"

_LINGER_S = 1.0
_log = logging.getLogger("pumice.gateway.http")
_encode = msgspec.json.Encoder().encode


def json_reply(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Answer with a value as JSON; ``bytes`` are JSON already."""
    content = body if isinstance(body, bytes) else _encode(body)
    return Response(content, status, headers, JSON)


def error_reply(request: Request, error: PumiceError) -> Response:
    """Answer with an error."""
    status = errors.status_of(error)
    headers = errors.headers_of(error)
    # the root stands for the unforeseen, which is logged already; of refusals the admission tells the number
    if status >= 500 and type(error) is not PumiceError and not isinstance(error, Overloaded):
        told = {"request_id": request.state.request_id, "status": status, "problem": error.message}
        _log.warning("request failed", extra=told)
    kind: Callable[..., Response] = Response
    if isinstance(error, TooLarge):
        kind = _LastReply
        headers["connection"] = "close"
    if errors.is_oip_shaped(request.url.path):
        return kind(errors.oip_error(error), status, headers, JSON)
    return kind(errors.problem(error, request.state.request_id), status, headers, errors.PROBLEM_JSON)


_HTTP_ONLY = {
    404: ("route-not-found", "There is nothing here", "no route '{path}'; /docs lists all"),
    405: ("method-not-allowed", "Method not allowed", "'{path}' does not take {method}; it takes {allow}"),
}


def http_error_reply(request: Request, error: HTTPException) -> Response:
    """Answer with what only HTTP knows: an unknown path, or a method that a path does not take."""
    code, title, detail = _HTTP_ONLY.get(error.status_code, ("http", error.detail, error.detail))
    headers = dict(error.headers or {})
    detail = detail.format(path=request.url.path, method=request.method, allow=headers.get("Allow", "nothing"))
    if errors.is_oip_shaped(request.url.path):
        return Response(_encode(errors.OipError(detail)), error.status_code, headers, JSON)
    body = errors.problem_document(error.status_code, code, title, detail, request.state.request_id)
    return Response(body, error.status_code, headers, errors.PROBLEM_JSON)


class _LastReply(Response):
    """An answer to a body that is not read to its end.

    Closing a connection while its caller still sends makes TCP throw the answer away, so what comes is discarded
    for a moment before the answer is ended, and the connection with it.
    """

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Send, discard, end."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        try:
            async with asyncio.timeout(_LINGER_S):
                while (await receive()).get("more_body"):
                    pass
        except TimeoutError:
            pass
        await send({"type": "http.response.body", "body": b""})
