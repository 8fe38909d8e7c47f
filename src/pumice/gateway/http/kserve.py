"""KServe v1, TensorFlow Serving's predict, and the model list that KServe and OpenAI share a path for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from pumice.domain.access import Verb
from pumice.domain.errors import (
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
from pumice.domain.model import Parameter
from pumice.domain.request import EXPLAIN, InferRequest, InferResult
from pumice.gateway.headers import MODEL_VERSION
from pumice.gateway.http.context import HttpContext, Served
from pumice.gateway.http.endpoint import Answer, Doc, Endpoint, Text
from pumice.gateway.http.reading import (
    carry_headers,
    counted,
    deadline_in,
    parameter,
    profile_of,
    read_body,
    visible,
    while_connected,
)
from pumice.gateway.http.replies import json_reply
from pumice.protocol.kserve_v1 import (
    Call,
    Explanations,
    Outputs,
    Predictions,
    PredictRequest,
    decode_predict,
    encode_answer,
    encode_explanations,
)
from pumice.runtime.front.version import ServedVersion

PROTOCOL = "kserve-v1"
"""Label of this face in the metrics."""

_GROUP = "kserve"
_PATHS = ("/v1/models/{model}", "/v1/models/{model}/versions/{version}")


class OpenAiModel(msgspec.Struct):
    """A model as OpenAI lists it."""

    id: str
    created: int
    object: Literal["model"] = "model"
    owned_by: str = "pumice"


class BothLists(msgspec.Struct):
    """The list of models, for KServe (``models``) and for OpenAI (``object``, ``data``)."""

    models: list[str]
    data: list[OpenAiModel]
    object: Literal["list"] = "list"


class BothModels(msgspec.Struct):
    """A model, for KServe (``name``, ``ready``) and for OpenAI (``id``, ``object``, ``created``, ``owned_by``)."""

    name: str
    ready: bool
    id: str
    created: int
    object: Literal["model"] = "model"
    owned_by: str = "pumice"


def endpoints(context: HttpContext) -> Iterator[Endpoint]:
    """List the routes of KServe v1."""
    kserve = _KServe(context)
    yield Endpoint("GET", "/v1/models", Verb.READ, kserve.models, _MODELS, narrow=True)
    for path in _PATHS:
        yield Endpoint("GET", path, Verb.READ, kserve.model, _MODEL)
        yield Endpoint("POST", f"{path}:predict", Verb.INFER, kserve.predict, _PREDICT)
        yield Endpoint("POST", f"{path}:explain", Verb.INFER, kserve.explain, _EXPLAIN)


class _KServe:
    def __init__(self, context: HttpContext) -> None:
        self._context = context
        self._catalog = context.inference.catalog

    async def models(self, request: Request) -> Response:
        names = visible(request, self._catalog.names())
        return json_reply(BothLists(names, [OpenAiModel(name, int(self._context.started)) for name in names]))

    async def model(self, request: Request) -> Response:
        served = self._find(request)
        if not served.ready:
            raise ModelNotReady(served.name, served.reason)
        return json_reply(BothModels(served.name, ready=True, id=served.name, created=int(self._context.started)))

    async def predict(self, request: Request) -> Response:
        served = self._find(request)
        with counted(served, PROTOCOL):
            served, body = await self._awake(request, served)
            call, result = await self._run(request, served, body, {})
            answer = encode_answer(result.outputs, profile_of(served).signature, by_row=call.by_row)
        return json_reply(answer, headers={MODEL_VERSION: result.version})

    async def explain(self, request: Request) -> Response:
        served = self._find(request)
        with counted(served, PROTOCOL):
            served, body = await self._awake(request, served)
            profile = profile_of(served)
            if not profile.explains:
                what = f"':explain' for model '{served.name}', which has no method 'explain'"
                raise Unsupported(what, "use ':predict', or give the Python model an 'explain(inputs)'")
            call, result = await self._run(request, served, body, {EXPLAIN: True})
            answer = encode_explanations(result.outputs, profile.signature, by_row=call.by_row)
        return json_reply(answer, headers={MODEL_VERSION: result.version})

    async def _awake(self, request: Request, served: Served) -> tuple[ServedVersion, bytes]:
        body = await read_body(request, self._context.most_of_json)
        deadline = deadline_in(request)
        # what was found before may be another one by now; from here on nothing comes between
        return await self._context.inference.awake(served.name, parameter(request, "version"), deadline), body

    async def _run(
        self, request: Request, served: ServedVersion, body: bytes, more: dict[str, Parameter]
    ) -> tuple[Call, InferResult]:
        call = decode_predict(body, served.name, profile_of(served).signature)
        if EXPLAIN in call.parameters:
            raise MalformedInput(f"parameter '{EXPLAIN}'", "reserved; call ':explain'")
        inference = InferRequest(call.inputs, call.parameters | more)
        carry_headers(request, inference)
        return call, await while_connected(request, self._context.inference.run(served, inference))

    def _find(self, request: Request) -> Served:
        return self._catalog.find(parameter(request, "model"), parameter(request, "version"))


_MODELS = Doc(
    _GROUP,
    Text("Names of the models, for KServe and OpenAI clients", "模型列表（KServe 与 OpenAI 客户端通用）"),
    {200: Answer(BothLists, Text("Both shapes in one object.", "两种格式合并在一个对象中。"))},
)
_MODEL = Doc(
    _GROUP,
    Text("Whether a model can answer now", "模型是否就绪"),
    {200: Answer(BothModels, Text("It can.", "已就绪。"))},
    (ModelNotFound, ModelNotReady),
)
_PREDICT = Doc(
    _GROUP,
    Text("Predict: rows of instances, or columns of inputs", "预测：按行 instances 或按列 inputs"),
    {
        200: Answer(
            (Predictions, Outputs),
            Text(
                "Predictions for instances: a value each, or a mapping where the model has several outputs. "
                "Outputs for inputs.",
                "instances 对应 predictions：每行一个值，多输出时为映射；inputs 对应 outputs。",
            ),
        )
    },
    (
        MalformedInput,
        ModelNotFound,
        TooLarge,
        SignatureMismatch,
        ModelFailed,
        ModelNotReady,
        Overloaded,
        OverShare,
        DeadlineExceeded,
    ),
    PredictRequest,
    {"instances": [[0.1, 0.2, 0.3, 0.4]]},
    ("x-request-id", "x-timeout-ms", "traceparent", "content-encoding"),
)
_EXPLAIN = Doc(
    _GROUP,
    Text("Explain predictions, by the model's own `explain`", "解释预测（由模型的 explain 给出）"),
    {200: Answer(Explanations, Text("For every row a mapping by name.", "每行一个按名称的映射。"))},
    (*_PREDICT.errors, Unsupported),
    PredictRequest,
    {"instances": [[0.1, 0.2, 0.3, 0.4]]},
    _PREDICT.headers,
)
