"""What every answer of the app has: a request id, safe headers, the caller's compression, and no traceback."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pumice.gateway.headers import REQUEST_ID, SAFE_HEADERS, choose_request_id
from pumice.gateway.http.budget import Budget, Held
from pumice.gateway.http.compression import COMPRESS_FROM, compress, negotiate
from pumice.gateway.http.cors import Cors, Pairs
from pumice.gateway.http.errors import internal_error
from pumice.gateway.http.reading import route_path
from pumice.gateway.http.replies import error_reply

_WORTH_IT = ("text/", "application/", "image/svg")
"""Beginnings of the media types that become smaller by compression."""


class Envelope:
    """Middleware around all routes.

    Args:
        app: The routes.
        budget: What the bodies of all requests may take together.
        cors: Other origins whose pages may call.
    """

    def __init__(self, app: ASGIApp, budget: Budget, cors: Cors | None = None) -> None:
        self._app = app
        self._budget = budget
        self._cors = cors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = choose_request_id(headers.get(REQUEST_ID, ""))
        held = Held(self._budget)
        scope.setdefault("state", {}).update(request_id=request_id, held=held)
        scope["path"] = route_path(scope)
        more: Pairs = [(REQUEST_ID.encode(), request_id.encode()), *SAFE_HEADERS]
        if self._cors is not None:
            told = self._cors.preflight(scope["method"], headers)
            if told is not None:
                status, more_told = told
                await send({"type": "http.response.start", "status": status, "headers": [*more, *more_told, _EMPTY]})
                await send({"type": "http.response.body"})
                return
            more += self._cors.headers_for(headers.get("origin", "").encode("latin-1"))
        seal = _Seal(send, more, negotiate(headers.get("accept-encoding", "").encode("latin-1")))
        try:
            await self._app(scope, receive, seal)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001 - the boundary: logged whole, answered generically
            known = internal_error(error, request_id)
            if not seal.begun:
                await error_reply(Request(scope), known)(scope, receive, seal)
        finally:
            held.release()


_EMPTY = (b"content-length", b"0")


class _Seal:
    """Sends an answer with what belongs on every answer.

    Args:
        send: Sends it.
        more: Headers of every answer.
        coding: How it may be compressed; empty: not.
    """

    def __init__(self, send: Send, more: Pairs, coding: bytes) -> None:
        self.begun = False
        self._send = send
        self._more = more
        self._coding = coding
        self._start: Message | None = None

    async def __call__(self, message: Message) -> None:
        """Take a message of the app; the first of a whole answer waits for the second, which has the body."""
        if message["type"] == "http.response.start":
            self.begun = True
            headers = message["headers"] = [*message.get("headers", ()), *self._more]
            if any(name == b"content-length" for name, _ in headers):
                self._start = message
                return
        start, self._start = self._start, None
        if start is not None:
            if message["type"] == "http.response.body" and not message.get("more_body"):
                self._compress(start, message)
            await self._send(start)
        await self._send(message)

    def _compress(self, start: Message, whole: Message) -> None:
        headers = MutableHeaders(raw=start["headers"])
        kind = headers.get("content-type", "")
        body = whole.get("body", b"")
        if len(body) < COMPRESS_FROM or not kind.startswith(_WORTH_IT):
            return
        headers.add_vary_header("accept-encoding")
        if self._coding and "content-encoding" not in headers:
            whole["body"] = b"".join(compress([body], self._coding))
            headers["content-encoding"] = self._coding.decode()
            headers["content-length"] = str(len(whole["body"]))
        start["headers"] = headers.raw
