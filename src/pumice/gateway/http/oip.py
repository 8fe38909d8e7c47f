"""The Open Inference Protocol over REST: server and models. Inference itself is the hot path's."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from pumice.domain.access import Verb
from pumice.domain.errors import (
    Cancelled,
    DeadlineExceeded,
    MalformedInput,
    ModelFailed,
    ModelNotFound,
    ModelNotReady,
    Overloaded,
    OverShare,
    SignatureMismatch,
    TooLarge,
    Unsupported,
)
from pumice.domain.signature import Tensor
from pumice.gateway.http.context import HttpContext, Served
from pumice.gateway.http.endpoint import Answer, Doc, Endpoint, Text
from pumice.gateway.http.reading import parameter, profile_of, visible
from pumice.gateway.http.replies import json_reply
from pumice.protocol.oip.json_codec import JsonRequest, JsonResponse
from pumice.protocol.oip.shared import EXTENSION as SHARED_MEMORY
from pumice.service.models import State

EXTENSIONS = ["binary_tensor_data", "parameters", "model_configuration", "model_repository", "statistics"]
"""Extensions of the protocol that are always spoken, in Triton's words."""


class ServerMetadata(msgspec.Struct):
    """What the server is."""

    name: str
    version: str
    extensions: list[str]


class ModelList(msgspec.Struct):
    """Names of the models."""

    models: list[str]


class TensorMetadata(msgspec.Struct):
    """A tensor of a signature; -1 in a shape is any size."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(msgspec.Struct):
    """What a model takes and gives.

    Attributes:
        parameters: Besides the protocol: the ``task``, and how the model really runs (provider, device, threads).
    """

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]
    parameters: dict[str, str | int | float | bool]


class ModelReady(msgspec.Struct, omit_defaults=True):
    """Whether a version can answer now.

    Attributes:
        name: Name of the model.
        ready: Whether it can.
        reason: Why not.
    """

    name: str
    ready: bool
    reason: str = ""


_MODEL_PATHS = ("/v2/models/{model}", "/v2/models/{model}/versions/{version}")
_GROUP = "oip"
_EXAMPLE = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [0.1, 0.2, 0.3, 0.4]}]}


def endpoints(context: HttpContext) -> Iterator[Endpoint]:
    """List the routes of the protocol."""
    oip = _Oip(context)
    yield Endpoint("GET", "/v2", Verb.READ, oip.server, _SERVER, narrow=True)
    yield Endpoint("GET", "/v2/models", Verb.READ, oip.models, _MODELS, narrow=True)
    for path in _MODEL_PATHS:
        yield Endpoint("GET", path, Verb.READ, oip.model, _MODEL)
        yield Endpoint("GET", f"{path}/ready", Verb.READ, oip.ready, _MODEL_READY)
        yield Endpoint("POST", f"{path}/infer", Verb.INFER, None, _INFER)


class _Oip:
    def __init__(self, context: HttpContext) -> None:
        self._context = context
        self._catalog = context.inference.catalog

    async def server(self, _request: Request) -> Response:
        extensions = EXTENSIONS if self._context.regions is None else [*EXTENSIONS, SHARED_MEMORY]
        return json_reply(ServerMetadata(self._context.server, self._context.version, extensions))

    async def models(self, request: Request) -> Response:
        return json_reply(ModelList(visible(request, self._catalog.names())))

    async def model(self, request: Request) -> Response:
        served = self._find(request)
        if served.profile is None:
            served = await self._context.inference.awake(served.name, parameter(request, "version"))
        profile = profile_of(served)
        versions = [version.version for version in self._catalog.versions(served.name)]
        inputs, outputs = tensors_of(profile.signature.inputs), tensors_of(profile.signature.outputs)
        parameters = {"task": profile.task, "engine": profile.engine} | profile.placement
        if profile.batch_dependent:
            parameters["batch_dependent"] = True
        return json_reply(ModelMetadata(served.name, versions, profile.platform, inputs, outputs, parameters))

    async def ready(self, request: Request) -> Response:
        served = self._find(request)
        if served.ready:
            # one that is not in memory can be asked, and then is loaded: the reason says so
            return json_reply(ModelReady(served.name, ready=True, reason=served.reason))
        return json_reply(ModelReady(served.name, ready=False, reason=served.reason), 503, {"retry-after": "1"})

    def _find(self, request: Request) -> Served:
        return self._catalog.find(parameter(request, "model"), parameter(request, "version"))


def state_of(served: Served) -> State:
    """Where a version is in its life."""
    if served.ready and not served.dormant:
        return "READY"
    return "LOADING" if served.reason == "loading" else "UNAVAILABLE"


def tensors_of(tensors: list[Tensor]) -> list[TensorMetadata]:
    """Describe one side of a signature."""
    return [TensorMetadata(tensor.name, tensor.datatype, tensor.shape) for tensor in tensors]


_SERVER = Doc(
    _GROUP,
    Text("What the server is", "服务器信息"),
    {200: Answer(ServerMetadata, Text("Name, version, extensions.", "名称、版本、扩展。"))},
)
_MODELS = Doc(
    _GROUP, Text("Names of the models", "模型名称列表"), {200: Answer(ModelList, Text("All of them.", "全部模型。"))}
)
_MODEL = Doc(
    _GROUP,
    Text("What a model takes and gives", "模型的输入与输出"),
    {200: Answer(ModelMetadata, Text("Its signature and versions.", "签名与版本。"))},
    (ModelNotFound, ModelNotReady),
)
_MODEL_READY = Doc(
    _GROUP,
    Text("Whether a model can answer now", "模型是否就绪"),
    {
        200: Answer(ModelReady, Text("It can.", "已就绪。")),
        503: Answer(ModelReady, Text("It cannot; the reason says why.", "尚未就绪，原因见 reason。")),
    },
    (ModelNotFound,),
)
_INFER = Doc(
    _GROUP,
    Text("Infer: JSON, or binary tensors behind the JSON", "推理：JSON，或 JSON 后接二进制张量"),
    {
        200: Answer(
            JsonResponse,
            Text("The outputs, as JSON or binary as the request asks.", "输出张量，按请求为 JSON 或二进制。"),
        )
    },
    (
        MalformedInput,
        ModelNotFound,
        TooLarge,
        SignatureMismatch,
        Cancelled,
        ModelFailed,
        Unsupported,
        ModelNotReady,
        Overloaded,
        OverShare,
        DeadlineExceeded,
    ),
    JsonRequest,
    _EXAMPLE,
    ("x-request-id", "x-timeout-ms", "traceparent", "content-encoding", "inference-header-content-length"),
)
