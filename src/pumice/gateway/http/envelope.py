"""What every answer of the app has: a request id, safe headers, and no traceback."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pumice.gateway.headers import REQUEST_ID, choose_request_id
from pumice.gateway.http.errors import internal_error
from pumice.gateway.http.reading import route_path
from pumice.gateway.http.replies import error_reply


class Envelope:
    """Middleware around all routes.

    Args:
        app: The routes.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = choose_request_id(Headers(scope=scope).get(REQUEST_ID, ""))
        scope.setdefault("state", {})["request_id"] = request_id
        scope["path"] = route_path(scope)
        begun = False

        async def sealed(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                message["headers"] = [
                    *message.get("headers", ()),
                    (REQUEST_ID.encode(), request_id.encode()),
                    (b"x-content-type-options", b"nosniff"),
                ]
            await send(message)

        try:
            await self._app(scope, receive, sealed)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001 - the boundary: logged whole, answered generically
            known = internal_error(error, request_id)
            if not begun:
                await error_reply(Request(scope), known)(scope, receive, sealed)
