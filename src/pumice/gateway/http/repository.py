"""The model repository extension of the Open Inference Protocol: what is there, load it, unload it."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Iterator

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from pumice.domain.access import Verb
from pumice.domain.errors import (
    LoadFailed,
    LoadRefused,
    MalformedInput,
    ModelNotFound,
    StorageFailed,
    TooLarge,
)
from pumice.domain.model import Parameter
from pumice.gateway.http.context import HttpContext
from pumice.gateway.http.endpoint import Answer, Doc, Endpoint, Text
from pumice.gateway.http.reading import parameter, principal_of, read_body
from pumice.gateway.http.replies import json_reply
from pumice.protocol.json_keys import refuse_double_keys
from pumice.service.models import State

_FILE = "file:"


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


class RepositoryRequest(msgspec.Struct):
    """How to load or unload; fields that it does not know are left alone, as the protocol wants it.

    Attributes:
        parameters: For ``load``: ``config`` (JSON as text) and ``file:<path>`` (base64). For ``unload``:
            ``unload_dependents`` and ``version``.
    """

    parameters: dict[str, Parameter] = {}


_read_index = msgspec.json.Decoder(IndexRequest).decode
_read_change = msgspec.json.Decoder(RepositoryRequest).decode


def endpoints(context: HttpContext) -> Iterator[Endpoint]:
    """List the routes of the extension."""
    repository = _Repository(context)
    yield Endpoint("POST", "/v2/repository/index", Verb.READ, repository.index, _INDEX, narrow=True)
    path = "/v2/repository/models/{model}"
    yield Endpoint("POST", f"{path}/load", Verb.MANAGE, repository.load, _LOAD)
    yield Endpoint("POST", f"{path}/unload", Verb.MANAGE, repository.unload, _UNLOAD)


class _Repository:
    def __init__(self, context: HttpContext) -> None:
        self._models = context.models
        self._max_body = context.max_body_bytes

    async def index(self, request: Request) -> Response:
        body = await read_body(request, self._max_body)
        try:
            wanted = _read_index(body) if body.strip() else IndexRequest()
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise MalformedInput("body", str(error)) from None
        refuse_double_keys(body)
        may = principal_of(request).allows
        states = await self._models.index(wanted.ready)
        return json_reply([IndexEntry(*state) for state in states if may(Verb.READ, state.name)])

    async def load(self, request: Request) -> Response:
        given = await self._parameters(request)
        parameters: dict[str, object] = {}
        for name, value in given.items():
            parameters[name] = _decoded(name, value) if name.startswith(_FILE) else value
        await self._models.load(parameter(request, "model"), parameters)
        return Response()

    async def unload(self, request: Request) -> Response:
        await self._models.unload(parameter(request, "model"), await self._parameters(request))
        return Response()

    async def _parameters(self, request: Request) -> dict[str, Parameter]:
        body = await read_body(request, self._max_body)
        try:
            given = _read_change(body).parameters if body.strip() else {}
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise MalformedInput("body", str(error)) from None
        refuse_double_keys(body)
        return given


def _decoded(name: str, value: Parameter) -> bytes:
    try:
        return b64decode(value if isinstance(value, str) else "?", validate=True)
    except (binascii.Error, ValueError):
        raise MalformedInput(f"parameter '{name[:100]}'", "no base64") from None


_GROUP = "oip"
_INDEX = Doc(
    _GROUP,
    Text("All versions that the server knows, and their states", "所有已知版本及其状态"),
    {200: Answer(list[IndexEntry], Text("One entry a version.", "每个版本一项。"))},
    (MalformedInput, TooLarge),
    IndexRequest,
    {"ready": False},
    body_optional=True,
)
_LOAD = Doc(
    _GROUP,
    Text("Load a model, or load it again in the place of what is served", "加载模型，或以新版本替换正在服务的版本"),
    {200: Answer(None, Text("It is served.", "已开始服务。"))},
    (MalformedInput, ModelNotFound, TooLarge, LoadFailed, LoadRefused, StorageFailed),
    RepositoryRequest,
    {"parameters": {"config": '{"max_batch_size": 8}'}},
    body_optional=True,
)
_UNLOAD = Doc(
    _GROUP,
    Text("Unload a model and give its memory back", "卸载模型并释放内存"),
    {200: Answer(None, Text("It is not served any more; its memory is free.", "已停止服务，内存已释放。"))},
    (MalformedInput, ModelNotFound, TooLarge),
    RepositoryRequest,
    {"parameters": {"unload_dependents": False}},
    body_optional=True,
)
