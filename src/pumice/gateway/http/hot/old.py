"""Answers for callers of HTTP/1.0, who know no chunks: one without a length ends where its connection does."""

from __future__ import annotations

from typing import Any

from starlette.types import Message, Receive, Scope, Send


def without_chunks(cycle: Any, app: Any) -> Any:
    """Make an app answer without chunks (RFC 9112, 6.3: the end of such an answer is the end of its connection).

    Args:
        cycle: uvicorn's, of the request; it does so for every version of HTTP.
        app: The app.
    """

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        endless = False

        async def plain(message: Message) -> None:
            nonlocal endless
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                endless = all(name.lower() != b"content-length" for name, _ in headers)
                cycle.keep_alive = False
                cycle.chunked_encoding = False if endless else None
                message = {**message, "headers": [*headers, (b"connection", b"close")]}
            elif endless:
                cycle.expected_content_length = len(message.get("body", b""))
            await send(message)

        await app(scope, receive, plain)

    return run
