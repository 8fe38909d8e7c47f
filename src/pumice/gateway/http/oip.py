"""The Open Inference Protocol over REST: server, models, repository. Inference itself is the hot path's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

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
    SignatureMismatch,
    TooLarge,
    Unsupported,
)
from pumice.domain.signature import Tensor
from pumice.gateway.http.context import HttpContext, Served
from pumice.gateway.http.endpoint import Answer, Doc, Endpoint, Text
from pumice.gateway.http.reading import parameter, profile_of, read_body
from pumice.gateway.http.replies import json_reply
from pumice.protocol.json_keys import refuse_double_keys
from pumice.protocol.oip.json_codec import JsonRequest, JsonResponse

EXTENSIONS = ["binary_tensor_data", "parameters", "model_configuration", "model_repository(index)", "statistics"]
"""Extensions of the protocol that are spoken, in Triton's words."""


State = Literal["READY", "LOADING", "UNAVAILABLE"]
"""Where a version is in its life, in the protocol's words."""


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


class IndexRequest(msgspec.Struct):
    """Which versions are asked for; fields that it does not know are left alone, as the protocol wants it.

    Attributes:
        ready: Only those that can answer now.
    """

    ready: bool = False


class IndexEntry(msgspec.Struct):
    """A version in the repository."""

    name: str
    version: str
    state: State
    reason: str


_read_index = msgspec.json.Decoder(IndexRequest).decode
_MODEL_PATHS = ("/v2/models/{model}", "/v2/models/{model}/versions/{version}")
_GROUP = "oip"
_EXAMPLE = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [0.1, 0.2, 0.3, 0.4]}]}


def endpoints(context: HttpContext) -> Iterator[Endpoint]:
    """List the routes of the protocol."""
    oip = _Oip(context)
    yield Endpoint("GET", "/v2", Verb.READ, oip.server, _SERVER)
    yield Endpoint("GET", "/v2/models", Verb.READ, oip.models, _MODELS)
    for path in _MODEL_PATHS:
        yield Endpoint("GET", path, Verb.READ, oip.model, _MODEL)
        yield Endpoint("GET", f"{path}/ready", Verb.READ, oip.ready, _MODEL_READY)
        yield Endpoint("POST", f"{path}/infer", Verb.INFER, None, _INFER)
    yield Endpoint("POST", "/v2/repository/index", Verb.READ, oip.index, _INDEX)
    for action in ("load", "unload"):
        yield Endpoint("POST", f"/v2/repository/models/{{model}}/{action}", Verb.MANAGE, oip.no_loading, _LOAD)


class _Oip:
    def __init__(self, context: HttpContext) -> None:
        self._context = context
        self._catalog = context.inference.catalog

    async def server(self, _request: Request) -> Response:
        return json_reply(ServerMetadata(self._context.server, self._context.version, EXTENSIONS))

    async def models(self, _request: Request) -> Response:
        return json_reply(ModelList(self._catalog.names()))

    async def model(self, request: Request) -> Response:
        served = self._find(request)
        profile = profile_of(served)
        versions = [version.version for version in self._catalog.versions(served.name)]
        inputs, outputs = tensors_of(profile.signature.inputs), tensors_of(profile.signature.outputs)
        parameters = {"task": profile.task, "engine": profile.engine} | profile.placement
        return json_reply(ModelMetadata(served.name, versions, profile.platform, inputs, outputs, parameters))

    async def ready(self, request: Request) -> Response:
        served = self._find(request)
        if served.ready:
            return json_reply(ModelReady(served.name, ready=True))
        return json_reply(ModelReady(served.name, ready=False, reason=served.reason), 503, {"retry-after": "1"})

    async def index(self, request: Request) -> Response:
        body = await read_body(request, self._context.max_body_bytes)
        try:
            wanted = _read_index(body) if body.strip() else IndexRequest()
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise MalformedInput("body", str(error)) from None
        refuse_double_keys(body)
        entries = [
            IndexEntry(served.name, served.version, state_of(served), served.reason)
            for served in self._catalog.all()
            if served.ready or not wanted.ready
        ]
        return json_reply(entries)

    async def no_loading(self, _request: Request) -> Response:
        raise Unsupported("loading and unloading models while serving", "name the models when the server is started")

    def _find(self, request: Request) -> Served:
        return self._catalog.find(parameter(request, "model"), parameter(request, "version"))


def state_of(served: Served) -> State:
    """Where a version is in its life."""
    if served.ready:
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
        DeadlineExceeded,
    ),
    JsonRequest,
    _EXAMPLE,
    ("x-request-id", "x-timeout-ms", "traceparent", "content-encoding", "inference-header-content-length"),
)
_INDEX = Doc(
    _GROUP,
    Text("All versions and their states", "所有版本及其状态"),
    {200: Answer(list[IndexEntry], Text("One entry a version.", "每个版本一项。"))},
    (MalformedInput, TooLarge),
    IndexRequest,
    {"ready": False},
)
_LOAD = Doc(
    _GROUP,
    Text("Load or unload a model (not supported)", "加载或卸载模型（暂不支持）"),
    {},
    (Unsupported,),
)
