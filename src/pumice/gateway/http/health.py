"""Is the server alive, can it answer, and the many paths on which platforms ask that."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from pumice.domain.access import Verb
from pumice.gateway.http.context import HttpContext
from pumice.gateway.http.endpoint import Answer, Doc, Endpoint, Text
from pumice.gateway.http.replies import json_reply

_RETRY_S = "1"


class Live(msgspec.Struct):
    """The process answers."""

    live: bool


class Ready(msgspec.Struct, omit_defaults=True):
    """Whether every served version can answer now.

    Attributes:
        ready: Whether it can.
        reason: Why not.
    """

    ready: bool
    reason: str = ""


_LIVE = Doc(
    "health",
    Text("The process answers", "进程存活"),
    {200: Answer(Live, Text("It does.", "存活。"))},
)
_READY = Doc(
    "health",
    Text("Every served model can answer now", "所有模型均可立即应答"),
    {
        200: Answer(Ready, Text("All are ready.", "全部就绪。")),
        503: Answer(
            Ready,
            Text(
                "Some are not, or the server is stopping; the reason says which.", "尚未就绪或正在停止，原因见 reason。"
            ),
        ),
    },
)
_PING = Doc(
    "health",
    Text("Readiness without a body, as Amazon SageMaker asks it", "无正文的就绪检查（Amazon SageMaker）"),
    {
        200: Answer(None, Text("All are ready.", "全部就绪。")),
        503: Answer(None, Text("Not yet, or not any more.", "尚未就绪或已停止。")),
    },
)


def endpoints(context: HttpContext) -> Iterator[Endpoint]:
    """List the routes of health."""
    health = _Health(context)
    for path in ("/v2/health/live", "/livez", "/healthz"):
        yield Endpoint("GET", path, Verb.OPEN, health.live, _LIVE)
    for path in ("/v2/health/ready", "/readyz", "/health"):
        yield Endpoint("GET", path, Verb.OPEN, health.ready, _READY)
    yield Endpoint("GET", "/ping", Verb.OPEN, health.ping, _PING)


class _Health:
    def __init__(self, context: HttpContext) -> None:
        self._context = context

    async def live(self, _request: Request) -> Response:
        return json_reply(Live(live=True))

    async def ready(self, _request: Request) -> Response:
        reason = self._reason()
        # who shows no key is told whether, and not what is served and what ails it
        told = reason if self._context.access.doors is None else ""
        return json_reply(Ready(not reason, told), *_status(reason))

    async def ping(self, _request: Request) -> Response:
        status, headers = _status(self._reason())
        return Response(status_code=status, headers=headers)

    def _reason(self) -> str:
        """Why the server is not ready, or an empty string."""
        catalog = self._context.inference.catalog
        if catalog.closing:
            return "the server is stopping"
        waiting = catalog.unready()
        return "; ".join(f"model '{served.name}' version {served.version}: {served.reason}" for served in waiting)


def _status(reason: str) -> tuple[int, dict[str, str]]:
    return (503, {"retry-after": _RETRY_S}) if reason else (200, {})
