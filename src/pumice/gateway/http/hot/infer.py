"""``POST /v2/models/{model}[/versions/{version}]/infer``: decode, submit, encode."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from urllib.parse import unquote

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from pumice.domain.errors import (
    MalformedInput,
    ModelNotFound,
    ModelNotReady,
    Overloaded,
    OverShare,
    PumiceError,
    TooLarge,
)
from pumice.domain.request import InferRequest, InferResult
from pumice.gateway.headers import choose_request_id, deadline_of
from pumice.gateway.http.compression import COMPRESS_FROM, compress, decompress, negotiate
from pumice.gateway.http.errors import internal_error
from pumice.gateway.http.hot.exchange import Exchange
from pumice.gateway.http.hot.told import JSON_TYPE, PROTOCOL, Refusal, fail
from pumice.protocol.oip.flat_json import FlatReader, write_flat
from pumice.protocol.oip.json_codec import decode_infer, decode_raw, encode_result
from pumice.protocol.oip.types import WireRequest, bind_outputs, check_outputs
from pumice.runtime.front.version import Looking, ServedVersion
from pumice.service.inference import Inference
from pumice.service.models import Dormant
from pumice.service.shared_memory import CallersRegions, Regions

_log = logging.getLogger("pumice.gateway.http")

SUFFIX = b"/infer"
"""End of the paths that this module answers."""

ROUTE = re.compile(r"/v2/models/([^/]+)(?:/versions/([^/]+))?/infer")
"""Paths that are answered: the model and the version, percent-encoded."""

_BINARY = b"content-type: application/octet-stream\r\ninference-header-content-length: %d\r\n"
_MOST_DIGITS = 18  # of a length that can be one; Python refuses to read thousands of them
_OK = STATUS_LINE[200]

_MOST_ROUTES = 4096
"""Paths that are remembered; a name can be percent-encoded in countless ways."""


class InferHandler:
    """Answers inference requests.

    Args:
        inference: The operation.
        max_body: Largest body after decompression (bytes).
        max_json: Largest JSON in it (bytes).
        compress: Whether answers are compressed for callers that accept it.
        regions: Shared memory of callers; None: the operator has not allowed any.
    """

    def __init__(
        self,
        inference: Inference,
        max_body: int,
        max_json: int = 16 * 1024 * 1024,
        *,
        compress: bool = True,
        regions: Regions | None = None,
    ) -> None:
        self._inference = inference
        self._max_body = max_body
        self._max_json = max_json
        self._compress = compress
        self._regions = regions
        self._routes: dict[bytes, tuple[ServedVersion, FlatReader]] = {}
        self._waiting: set[asyncio.Task[None]] = set()
        # a request finds its version here without looking further, so nothing that is not served may stay
        inference.catalog.on_change(self._routes.clear)

    def __call__(self, exchange: Exchange, started: float = 0.0) -> None:
        """Take one request; it is answered when its batch is.

        Args:
            exchange: The request.
            started: When it came, on the monotonic clock (s); now, if left out.
        """
        started = started or time.monotonic()
        head = exchange.head
        notes = head.notes
        if notes is None:
            notes = head.notes = _Notes(head.headers)
        assert type(notes) is _Notes  # noqa: S101 - nobody else writes them
        request_id = choose_request_id(notes.request_id)
        served: ServedVersion | None = None
        try:
            route = self._routes.get(head.path) or self._find(exchange, notes, started)
            if route is None:
                return
            served, reader = route
            look = served.look
            if look is not None and _said_by_head(exchange, notes):
                # most is refused while too much comes, and decoding it would be the larger part of the work
                refusal = _look(look, exchange, notes, served, started)
                if refusal is not None:
                    refusal.answer(exchange, request_id, started)
                    return
            wire = self._decode(exchange, notes, served, reader)
            if wire.outputs and served.profile is not None:
                check_outputs(wire, served.name, served.profile.signature)
            if wire.shared is not None:
                bind_outputs(wire, self._memory_of(exchange))
            request = wire.request
            request.request_id = request_id
            request.caller = exchange.caller
            wire.start(started)
            if notes.timeout_ms:
                request.deadline = deadline_of(notes.timeout_ms, started)
            request.traceparent = notes.traceparent
            done = _Answer(exchange, served, wire, notes.coding if self._compress else b"", started)
            exchange.abandoned = self._inference.submit(served, request, done).cancel
        except PumiceError as error:
            fail(exchange, served, error, request_id, started)
        except Exception as error:  # noqa: BLE001 - the boundary: logged whole, answered generically
            fail(exchange, served, internal_error(error, request_id), request_id, started)

    def _wake(self, dormant: Dormant, exchange: Exchange, notes: _Notes, started: float) -> None:
        """Let a request wait until its version is in memory, and take it then as if it came now."""
        deadline = deadline_of(notes.timeout_ms, started) if notes.timeout_ms else None

        async def wait() -> None:
            try:
                await dormant.awake(deadline)
            except PumiceError as error:
                fail(exchange, dormant, error, choose_request_id(notes.request_id), started)
            else:
                exchange.abandoned = None
                self(exchange, started)

        task = asyncio.get_running_loop().create_task(wait())
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

        def leave() -> None:
            task.cancel()

        exchange.abandoned = leave

    def _find(self, exchange: Exchange, notes: _Notes, started: float) -> tuple[ServedVersion, FlatReader] | None:
        """Look a version up; None if the request has to wait until it is in memory."""
        path = exchange.head.path
        match = ROUTE.fullmatch(path.decode("latin-1"))
        if match is None:
            raise ModelNotFound(unquote(path.decode("latin-1")), known=tuple(self._inference.catalog.names()))
        model, version = match.groups()
        served = self._inference.catalog.find(unquote(model), unquote(version or ""))
        if isinstance(served, Dormant):
            self._wake(served, exchange, notes, started)
            return None
        if served.profile is None:
            raise ModelNotReady(served.name, served.reason)
        if len(self._routes) >= _MOST_ROUTES:
            self._routes.clear()
        route = self._routes[path] = (served, FlatReader(served.profile.signature))
        return route

    def _decode(self, exchange: Exchange, notes: _Notes, served: ServedVersion, reader: FlatReader) -> WireRequest:
        body = exchange.body
        if notes.encoding:
            packed = len(body)
            body = decompress(bytes(body), notes.encoding, self._max_body)
            exchange.hold(packed + len(body))
        length = notes.json_length
        if length is None:
            self._check_json(len(body))
            text = body if isinstance(body, bytes) else bytes(body)  # a view would have binary tensors
            return reader.read(text) or decode_infer(text, None, self._memory_of(exchange, body))
        size = notes.json_size
        if size is None:
            raise MalformedInput("header 'Inference-Header-Content-Length'", f"'{length[:32]}' is no number of bytes")
        self._check_json(min(size, len(body)))  # who tells more than there is has told something wrong
        if size == 0 and served.profile is not None:
            return decode_raw(body, served.profile.signature)
        return decode_infer(body, size, self._memory_of(exchange, body))

    def _check_json(self, size: int) -> None:
        if size > self._max_json:
            raise TooLarge("the JSON of the body", size, self._max_json)

    def _memory_of(self, exchange: Exchange, body: bytes | memoryview = b"") -> CallersRegions | None:
        """What the caller has of shared memory; what is read of it counts like the body that it is in the place of."""
        if self._regions is None:
            return None
        sent = len(exchange.body)
        held = sent if body is exchange.body else sent + len(body)

        def hold(size: int) -> None:
            exchange.hold(held + size)

        return self._regions.of(exchange.caller, hold)


def _said_by_head(exchange: Exchange, notes: _Notes) -> bool:
    """Whether nothing in the body says how urgent a request is; binary tensors behind the JSON say nothing."""
    if notes.encoding:
        return False
    body, end = exchange.body, notes.json_size
    text = body if isinstance(body, bytes) else bytes(body[:end])
    urgent = text.find(b'"priority"', 0, end) >= 0
    return not (urgent or (not notes.timeout_ms and text.find(b'"timeout"', 0, end) >= 0))


def _look(look: Looking, exchange: Exchange, notes: _Notes, served: ServedVersion, started: float) -> Refusal | None:
    """Find out whether a request is refused by what its head says.

    What the same caller was told of the same head a moment ago is not worked out again: the more are refused, the less
    each of them costs.
    """
    caller, kept = exchange.caller, notes.refusal
    if kept is not None and started < kept.until and kept.served is served and kept.caller == caller:
        look.admission.refused_again(kept.error.reason)
        return kept
    try:
        look.look_ahead(InferRequest({}, deadline=deadline_of(notes.timeout_ms, started), caller=caller))
    except (Overloaded, OverShare) as error:
        refusal = notes.refusal = Refusal(served, caller, error, started)
        return refusal
    notes.refusal = None
    return None


class _Notes:
    """The headers that matter here, read once for all requests with the same head; and how the last one fared."""

    __slots__ = ("coding", "encoding", "json_length", "json_size", "refusal", "request_id", "timeout_ms", "traceparent")

    def __init__(self, headers: dict[bytes, bytes]) -> None:
        self.refusal: Refusal | None = None
        self.request_id = _text(headers, b"x-request-id")
        self.timeout_ms = _text(headers, b"x-timeout-ms")
        self.traceparent = _text(headers, b"traceparent")
        self.encoding = _text(headers, b"content-encoding")
        self.coding = negotiate(headers.get(b"accept-encoding", b""))
        length = headers.get(b"inference-header-content-length")
        self.json_length = None if length is None else length.decode("latin-1")
        self.json_size = _bytes_of(self.json_length or "")


def _bytes_of(length: str) -> int | None:
    told = length.isascii() and length.isdigit() and len(length) <= _MOST_DIGITS
    return int(length) if told else None


def _text(headers: dict[bytes, bytes], name: bytes) -> str:
    return headers.get(name, b"").decode("latin-1")


class _Answer:
    """What is kept of a request until its batch is back."""

    __slots__ = ("_coding", "_exchange", "_served", "_started", "_wire")

    def __init__(
        self, exchange: Exchange, served: ServedVersion, wire: WireRequest, coding: bytes, started: float
    ) -> None:
        self._exchange = exchange
        self._served = served
        self._wire = wire
        self._coding = coding
        self._started = started

    def __call__(self, result: InferResult | None, error: PumiceError | None) -> None:
        wire = self._wire
        request_id = wire.request.request_id
        if result is None:
            fail(self._exchange, self._served, error or PumiceError(), request_id, self._started)
            return
        try:
            body, json_length = write_flat(result, wire), None
            if body is None:
                body, json_length = encode_result(result, wire)
        except PumiceError as problem:
            fail(self._exchange, self._served, problem, request_id, self._started)
            return
        content = JSON_TYPE if json_length is None else _BINARY % json_length
        headers = [
            content,
            b"x-request-id: %s\r\nx-model-version: %s\r\n" % (request_id.encode(), result.version.encode()),
        ]
        if self._coding and sum(map(len, body)) >= COMPRESS_FROM:
            body = compress(body, self._coding)
            headers.append(b"content-encoding: %s\r\nvary: accept-encoding\r\n" % self._coding)
        self._exchange.respond(_OK, headers, body)
        self._served.stats.finished(PROTOCOL, "200", time.monotonic() - self._started)
