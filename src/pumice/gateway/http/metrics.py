"""``/metrics``."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from starlette.requests import Request
from starlette.responses import Response

from pumice.domain.access import Verb
from pumice.domain.errors import ModelNotReady
from pumice.gateway.http.context import HttpContext
from pumice.gateway.http.endpoint import Answer, Doc, Endpoint, Text
from pumice.observe.prometheus import Exposition
from pumice.service.inference import Inference

_METRICS = Doc(
    "server",
    Text("Metrics, for Prometheus", "Prometheus 指标"),
    {
        200: Answer(
            "text/plain",
            Text("Prometheus text, or OpenMetrics if asked for.", "Prometheus 文本，或按请求为 OpenMetrics。"),
        )
    },
    (ModelNotReady,),
)


def endpoints(context: HttpContext) -> Iterator[Endpoint]:
    """List the one route."""
    exposition = Exposition(context.inference.catalog.observed, context.version)
    yield Endpoint("GET", "/metrics", Verb.READ, _Metrics(exposition, context.inference).scrape, _METRICS)


class _Metrics:
    def __init__(self, exposition: Exposition, inference: Inference) -> None:
        self._exposition = exposition
        self._inference = inference

    async def scrape(self, request: Request) -> Response:
        # the first time a library is loaded, and the loop must not wait for that
        await asyncio.to_thread(self._exposition.load)
        observing = self._inference.observing
        whole = await observing.observe() if observing is not None else None
        text, content_type = self._exposition.render(request.headers.get("accept", ""), whole)
        return Response(text, headers={"content-type": content_type})
