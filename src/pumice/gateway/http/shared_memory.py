"""Triton's extension for system shared memory: register, look, unregister."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from pumice.domain.access import Verb
from pumice.domain.errors import MalformedInput, RegionNotFound, TooLarge, Unsupported
from pumice.gateway.http.context import HttpContext
from pumice.gateway.http.endpoint import Answer, Doc, Endpoint, Text
from pumice.gateway.http.reading import parameter, principal_of, read_body
from pumice.gateway.http.replies import json_reply
from pumice.protocol.json_keys import refuse_double_keys
from pumice.service.shared_memory import Regions, RegionWish


class RegisterRequest(msgspec.Struct):
    """Memory that is to be a region; fields that it does not know are left alone, as the protocol wants it.

    Attributes:
        key: Name of the memory below ``/dev/shm``.
        byte_size: Length of the region (bytes).
        offset: Where it begins in the memory (bytes).
    """

    key: str
    byte_size: int
    offset: int = 0


class RegionStatus(msgspec.Struct):
    """A region that is registered."""

    name: str
    key: str
    offset: int
    byte_size: int


_read = msgspec.json.Decoder(RegisterRequest).decode


def endpoints(context: HttpContext) -> Iterator[Endpoint]:
    """List the routes."""
    memory = _SharedMemory(context)
    base = "/v2/systemsharedmemory"
    yield Endpoint("GET", f"{base}/status", Verb.READ, memory.status, _STATUS)
    yield Endpoint("GET", f"{base}/region/{{region}}/status", Verb.READ, memory.status, _STATUS_OF)
    yield Endpoint("POST", f"{base}/region/{{region}}/register", Verb.MANAGE, memory.register, _REGISTER)
    yield Endpoint("POST", f"{base}/unregister", Verb.MANAGE, memory.unregister, _UNREGISTER)
    yield Endpoint("POST", f"{base}/region/{{region}}/unregister", Verb.MANAGE, memory.unregister, _UNREGISTER)


class _SharedMemory:
    def __init__(self, context: HttpContext) -> None:
        self._context = context

    async def status(self, request: Request) -> Response:
        listed = self._regions().listed(principal_of(request), parameter(request, "region"))
        return json_reply([RegionStatus(wish.name, wish.key, wish.offset, wish.size) for wish in listed])

    async def register(self, request: Request) -> Response:
        regions = self._regions()
        body = await read_body(request, self._context.max_body_bytes)
        try:
            asked = _read(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise MalformedInput("body", str(error)) from None
        refuse_double_keys(body)
        request.state.audited = {"key": asked.key[:255]}
        owner = principal_of(request).caller
        regions.register(RegionWish(parameter(request, "region"), asked.key, asked.offset, asked.byte_size, owner))
        return Response()

    async def unregister(self, request: Request) -> Response:
        self._regions().unregister(parameter(request, "region"), principal_of(request))
        return Response()

    def _regions(self) -> Regions:
        if self._context.regions is None:
            raise Unsupported("system shared memory", "send tensors in the message, or have the operator allow it")
        return self._context.regions


_GROUP = "oip"
_LISTED = {200: Answer(list[RegionStatus], Text("One entry a region.", "每个区域一项。"))}
_STATUS = Doc(
    _GROUP, Text("The regions of shared memory that are registered", "已注册的共享内存区域"), _LISTED, (Unsupported,)
)
_STATUS_OF = Doc(
    _GROUP, Text("A region of shared memory", "查询一个共享内存区域"), _LISTED, (RegionNotFound, Unsupported)
)
_REGISTER = Doc(
    _GROUP,
    Text("Register system shared memory for inputs and outputs", "注册系统共享内存，用于输入与输出"),
    {200: Answer(None, Text("Requests may name it.", "请求中可引用该区域。"))},
    (MalformedInput, TooLarge, Unsupported),
    RegisterRequest,
    {"key": "/input_data", "offset": 0, "byte_size": 4096},
)
_UNREGISTER = Doc(
    _GROUP,
    Text("Forget a region of shared memory, or all", "注销一个或全部共享内存区域"),
    {200: Answer(None, Text("It is not used any more.", "不再使用。"))},
    (Unsupported,),
)
