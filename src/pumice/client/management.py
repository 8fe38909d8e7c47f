"""Operations of management: what is under ``/api``."""

from __future__ import annotations

from typing import Any

import msgspec

from pumice.client.errors import BadAnswer
from pumice.client.flow import Call, Flow, Link
from pumice.client.refusals import refusal


def manage(link: Link, method: str, path: str, body: object | None = None) -> Flow[Any]:
    """Call a route of management.

    Args:
        link: The server.
        method: HTTP method.
        path: The route.
        body: Sent as JSON if given.

    Returns:
        The answer's JSON.

    Raises:
        PumiceError: The server refuses, or cannot be reached.
    """
    content = b"" if body is None else msgspec.json.encode(body)
    headers = {"content-type": "application/json"} if content else {}
    call = Call(method, path, headers, content, repeatable=method != "POST")
    reply = yield from link.exchange(call)
    if not reply.ok:
        raise refusal(reply)
    try:
        return msgspec.json.decode(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadAnswer(str(call), str(error)) from None
