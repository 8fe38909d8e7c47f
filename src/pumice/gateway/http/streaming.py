"""Answers in parts over HTTP: Triton's ``generate`` and ``generate_stream``, and the protocol's tensors part by part.

Parts are server-sent events. The status is chosen with the first of them; what goes wrong later is told in an event.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from pumice.domain.access import Verb
from pumice.domain.errors import (
    DeadlineExceeded,
    MalformedInput,
    ModelFailed,
    ModelNotFound,
    ModelNotReady,
    Overloaded,
    PumiceError,
    SignatureMismatch,
    TooLarge,
    Unsupported,
)
from pumice.domain.request import InferResult
from pumice.gateway.headers import MODEL_VERSION
from pumice.gateway.http import errors
from pumice.gateway.http.context import HttpContext
from pumice.gateway.http.endpoint import Answer, Doc, Endpoint, Text
from pumice.gateway.http.reading import (
    carry_headers,
    counted,
    deadline_in,
    parameter,
    profile_of,
    read_body,
    while_connected,
)
from pumice.gateway.http.replies import json_reply
from pumice.protocol.oip.generate import GenerateRequest, GenerateResponse, decode_generate, encode_generated
from pumice.protocol.oip.json_codec import JsonRequest, JsonResponse, decode_infer, encode_result
from pumice.protocol.oip.types import WireRequest
from pumice.runtime.front.version import ServedVersion

PROTOCOL = "generate"
"""Label of this face in the metrics."""

EVENTS = "text/event-stream"

_GROUP = "oip"
_MOST_DIGITS = 18  # of a length that can be one; Python refuses to read thousands of them
_MODEL_PATHS = ("/v2/models/{model}", "/v2/models/{model}/versions/{version}")

Write = Callable[[InferResult], bytes]
"""Writes a part as JSON."""


def endpoints(context: HttpContext) -> Iterator[Endpoint]:
    """List the routes."""
    streaming = _Streaming(context)
    for path in _MODEL_PATHS:
        yield Endpoint("POST", f"{path}/generate", Verb.INFER, streaming.generate, _GENERATE)
        yield Endpoint("POST", f"{path}/generate_stream", Verb.INFER, streaming.generate_stream, _GENERATE_STREAM)
        yield Endpoint("POST", f"{path}/infer_stream", Verb.INFER, streaming.infer_stream, _INFER_STREAM)


class _Streaming:
    def __init__(self, context: HttpContext) -> None:
        self._context = context
        self._inference = context.inference

    async def generate(self, request: Request) -> Response:
        with counted(self._find(request), PROTOCOL):
            body = await read_body(request, self._context.most_of_json)
            served = await self._awake(request)
            wire = decode_generate(body, served.name, profile_of(served).signature)
            carry_headers(request, wire.request)
            work = self._inference.infer(served.name, served.version, wire.request)
            result = await while_connected(request, work)
            body = encode_generated(result, wire.id)
        return json_reply(body, headers={MODEL_VERSION: result.version})

    async def generate_stream(self, request: Request) -> Response:
        self._find(request)
        body = await read_body(request, self._context.most_of_json)
        served = await self._awake(request)
        wire = decode_generate(body, served.name, profile_of(served).signature)
        return await self._stream(request, served, wire, lambda part: encode_generated(part, wire.id))

    async def infer_stream(self, request: Request) -> Response:
        self._find(request)
        length = request.headers.get("inference-header-content-length")
        if length is not None and not (length.isascii() and length.isdigit() and len(length) <= _MOST_DIGITS):
            raise MalformedInput("header 'Inference-Header-Content-Length'", f"'{length[:32]}' is no number of bytes")
        most = self._context.most_of_json
        if length is not None and int(length) > most:
            raise TooLarge("the JSON of the body", int(length), most)
        body = await read_body(request, most if length is None else self._context.max_body_bytes)
        wire = decode_infer(body, None if length is None else int(length))
        if wire.binary_default or wire.binary or wire.shared:
            raise Unsupported(
                "binary tensors and shared memory in server-sent events", "ask for them as JSON, or call gRPC"
            )
        served = await self._awake(request)
        return await self._stream(request, served, wire, lambda part: bytes(encode_result(part, wire)[0][0]))

    async def _stream(self, request: Request, served: ServedVersion, wire: WireRequest, write: Write) -> Response:
        carry_headers(request, wire.request)
        events = _events(served, self._inference.stream(served, wire.request), write)
        try:
            # an error before the first part is told by the status
            first = await while_connected(request, _first(events))
        except BaseException:
            await events.aclose()
            raise
        return EventStream(first, events, {MODEL_VERSION: served.version})

    async def _awake(self, request: Request) -> ServedVersion:
        """Find the version when the body is read; if it is not in memory, wait until it is or the caller goes."""
        model, version = parameter(request, "model"), parameter(request, "version")
        if self._find(request).dormant:
            await while_connected(request, self._inference.awake(model, version, deadline_in(request)))
        return await self._inference.awake(model, version, deadline_in(request))

    def _find(self, request: Request) -> ServedVersion:
        return self._inference.catalog.find(parameter(request, "model"), parameter(request, "version"))


async def _events(
    served: ServedVersion, parts: AsyncGenerator[InferResult, None], write: Write
) -> AsyncGenerator[bytes | PumiceError, None]:
    """Write parts; an error is the last of them, so that it is both counted and told."""
    told: PumiceError | None = None
    try:
        with counted(served, PROTOCOL):
            async with aclosing(parts):
                async for part in parts:
                    yield write(part)
    except PumiceError as error:
        told = error
    if told is not None:
        yield told


async def _first(events: AsyncGenerator[bytes | PumiceError, None]) -> bytes | None:
    async for event in events:
        if isinstance(event, PumiceError):
            raise event
        return event
    return None


class EventStream(Response):
    """Server-sent events; a caller who goes away ends them at once.

    Args:
        first: What was read of them already; None: there are none.
        events: The others: JSON, or an error, which is the last.
        headers: Of the answer.
    """

    media_type = EVENTS

    def __init__(
        self, first: bytes | None, events: AsyncGenerator[bytes | PumiceError, None], headers: dict[str, str]
    ) -> None:
        super().__init__(headers=headers | {"cache-control": "no-cache", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._first = first
        self._events = events

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Send all events, as they come."""
        sending = asyncio.ensure_future(self._send(send))
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            await asyncio.wait({sending, gone}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        finally:
            gone.cancel()
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def _send(self, send: Send) -> None:
        async with aclosing(self._events):
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            if self._first is not None:
                await _event(send, self._first)
            async for event in self._events:
                await _event(send, errors.oip_error(event) if isinstance(event, PumiceError) else event)
            await send({"type": "http.response.body", "body": b""})


async def _event(send: Send, data: bytes) -> None:
    await send({"type": "http.response.body", "body": b"data: %b\n\n" % data, "more_body": True})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


_ERRORS: tuple[type[PumiceError], ...] = (
    MalformedInput,
    ModelNotFound,
    TooLarge,
    SignatureMismatch,
    ModelFailed,
    Unsupported,
    ModelNotReady,
    Overloaded,
    DeadlineExceeded,
)
_HEADERS = ("x-request-id", "x-timeout-ms", "traceparent", "content-encoding")
_EXAMPLE = {"text_input": "Hello", "parameters": {"max_tokens": 32}}
_EVENTS_TEXT = Text(
    'Server-sent events: a JSON object each. An error after the first part is the last event, `{"error": …}`.',
    '服务器推送事件，每个事件一个 JSON 对象；首个分片之后的错误作为最后一个事件 `{"error": …}` 给出。',
)
_GENERATE = Doc(
    _GROUP,
    Text("Generate: one flat JSON object in and out", "生成：以扁平 JSON 对象输入与输出"),
    {200: Answer(GenerateResponse, Text("The outputs by name.", "按名称给出的输出。"))},
    _ERRORS,
    GenerateRequest,
    _EXAMPLE,
    _HEADERS,
)
_GENERATE_STREAM = Doc(
    _GROUP,
    Text("Generate, part by part", "生成（逐片返回）"),
    {200: Answer(EVENTS, _EVENTS_TEXT, (GenerateResponse, errors.OipError))},
    _ERRORS,
    GenerateRequest,
    _EXAMPLE,
    _HEADERS,
)
_INFER_STREAM = Doc(
    _GROUP,
    Text("Infer, part by part: each event is an answer of `infer`", "推理（逐片返回）：每个事件为一个 infer 响应"),
    {200: Answer(EVENTS, _EVENTS_TEXT, (JsonResponse, errors.OipError))},
    _ERRORS,
    JsonRequest,
    {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [0.1, 0.2, 0.3, 0.4]}]},
    (*_HEADERS, "inference-header-content-length"),
)
