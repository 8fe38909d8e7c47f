"""What Triton's clients ask for besides the protocol: configuration and statistics."""

from __future__ import annotations

from collections.abc import Iterator

from starlette.requests import Request
from starlette.responses import Response

from pumice.domain.access import Verb
from pumice.domain.errors import ModelNotFound, ModelNotReady
from pumice.gateway.http.context import HttpContext
from pumice.gateway.http.endpoint import Answer, Doc, Endpoint, Text
from pumice.gateway.http.reading import parameter
from pumice.gateway.http.replies import json_reply
from pumice.protocol.oip.triton import ModelConfig, Statistics
from pumice.service.description import config_of, statistics_of

_GROUP = "oip"
_MODEL_PATHS = ("/v2/models/{model}", "/v2/models/{model}/versions/{version}")


def endpoints(context: HttpContext) -> Iterator[Endpoint]:
    """List the routes; they stand before those of the protocol, where ``stats`` would be a model's name."""
    triton = _Triton(context)
    yield Endpoint("GET", "/v2/models/stats", Verb.READ, triton.stats, _STATS)
    for path in _MODEL_PATHS:
        yield Endpoint("GET", f"{path}/config", Verb.READ, triton.config, _CONFIG)
        yield Endpoint("GET", f"{path}/stats", Verb.READ, triton.stats, _MODEL_STATS)


class _Triton:
    def __init__(self, context: HttpContext) -> None:
        self._inference = context.inference
        self._catalog = context.inference.catalog

    async def config(self, request: Request) -> Response:
        # only one in memory knows what was chosen for it
        served = await self._inference.awake(parameter(request, "model"), parameter(request, "version"))
        return json_reply(config_of(served))

    async def stats(self, request: Request) -> Response:
        observed = await self._inference.observed(parameter(request, "model"), parameter(request, "version"))
        return json_reply(statistics_of(observed))


_CONFIG = Doc(
    _GROUP,
    Text("How a model is served, in Triton's words", "模型配置（Triton 格式）"),
    {200: Answer(ModelConfig, Text("The fields of Triton's that apply here.", "适用的 Triton 配置字段。"))},
    (ModelNotFound, ModelNotReady),
)
_TOLD = {200: Answer(Statistics, Text("One entry a version.", "每个版本一项。"))}
_STATS = Doc(
    _GROUP,
    Text("Statistics of all models, in Triton's words", "全部模型的统计（Triton 格式）"),
    _TOLD,
    (ModelNotReady,),
)
_MODEL_STATS = Doc(
    _GROUP,
    Text("Statistics of a model, in Triton's words", "模型统计（Triton 格式）"),
    _TOLD,
    (ModelNotFound, ModelNotReady),
)
