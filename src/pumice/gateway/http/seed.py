"""The asynchronous API: ``POST /predict`` accepts a task, ``GET /result/{task_id}`` tells what became of it.

``DELETE /result/{task_id}`` says that the result is not wanted: a task that is not finished is cancelled, the result of
one that is finished is deleted.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from pumice.domain.access import Verb
from pumice.domain.datatypes import DATATYPE_NAMES
from pumice.domain.errors import (
    DeadlineExceeded,
    MalformedInput,
    ModelNotFound,
    Overloaded,
    SignatureMismatch,
    StorageFailed,
    TaskNotFound,
    TooLarge,
    UncleanText,
    Unsupported,
)
from pumice.domain.model import TEXT_TASKS
from pumice.domain.request import LOWEST_PRIORITY, InferRequest, InferResult
from pumice.gateway.headers import MODEL_VERSION, preferred_wait
from pumice.gateway.http.context import HttpContext, Served
from pumice.gateway.http.endpoint import Answer, Doc, Endpoint, Text
from pumice.gateway.http.reading import (
    carry_headers,
    counted,
    parameter,
    path_segment,
    principal_of,
    read_body,
    while_connected,
)
from pumice.gateway.http.replies import json_reply
from pumice.protocol.json_keys import refuse_double_keys
from pumice.protocol.kserve_v1 import listed
from pumice.protocol.oip.json_codec import JsonOutput, JsonTensor, json_data, read_tensors
from pumice.protocol.oip.types import WireRequest, apply_parameters
from pumice.service.tasks import TaskRecord, TaskWish

PROTOCOL = "seed"
"""Label of this face in the metrics."""

_TENSORS, _ONE_TEXT, _TEXTS = "seed-tensors", "seed-text", "seed-texts"
"""Words that are kept with a task: in which form its result is wanted."""

_TOLD = ("label", "score", "embedding")
"""Outputs that a text's result consists of, where the model has them."""


class SeedRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A task; exactly one of ``inputs`` and ``text``.

    Attributes:
        model: Name of the model; may be left out when one is served.
        version: Its version; the newest if left out.
        inputs: Tensors of the Open Inference Protocol.
        text: A text, or several.
        parameters: As in the Open Inference Protocol: the model's own, ``priority`` and ``timeout``.
        priority: 1 (most urgent) to 16; 8 if left out.
        webhook: URL that is told when the task has ended, if the operator allows its host.
        ttl: How long the result is to be kept (s), at most as long as the server's setting; that long if left out.
    """

    model: str = ""
    version: str = ""
    inputs: list[JsonTensor] | msgspec.UnsetType = msgspec.UNSET
    text: str | list[str] | msgspec.UnsetType = msgspec.UNSET
    parameters: dict[str, Any] = {}
    priority: Annotated[int, Meta(ge=1, le=LOWEST_PRIORITY)] | None = None
    ttl: Annotated[float, Meta(gt=0)] | None = None
    webhook: str = ""


class Accepted(msgspec.Struct):
    """The task is on disk and will be run, whatever happens to the server."""

    task_id: str
    status: Literal["processing"] = "processing"


class Progress(msgspec.Struct, omit_defaults=True):
    """How far a task is.

    Attributes:
        done: Rows (or texts) that are finished; they are counted where there are many.
        total: Rows in all.
        ahead: Tasks of its model that are to run before it; left out where that is not known at once.
    """

    done: int
    total: int
    ahead: int | None = None


class Processing(msgspec.Struct, tag_field="status", tag="processing", omit_defaults=True):
    """The task waits or runs.

    Attributes:
        progress: How far it is.
    """

    progress: Progress | None = None


class Completed(msgspec.Struct, tag_field="status", tag="completed"):
    """The task is done.

    Attributes:
        result: Output tensors for tensors; for texts a mapping of label and score (or of what the model has), or a
            list of such mappings for a list of texts.
    """

    result: Any


class Failed(msgspec.Struct, tag_field="status", tag="failed"):
    """The task failed.

    Attributes:
        error: What went wrong.
        code: The kind of error, for programs; ``cancelled`` if its caller wanted it no more.
    """

    error: str
    code: str


class NotFound(msgspec.Struct, tag_field="status", tag="not_found"):
    """There is no such task, or its result has expired."""


_decode = msgspec.json.Decoder(SeedRequest).decode


def endpoints(context: HttpContext) -> Iterator[Endpoint]:
    """List the routes of the asynchronous API."""
    seed = _Seed(context)
    yield Endpoint("POST", "/predict", Verb.INFER, seed.predict, _PREDICT, narrow=True)
    yield Endpoint("GET", "/result/{task_id}", Verb.INFER, seed.result, _RESULT, narrow=True)
    yield Endpoint("DELETE", "/result/{task_id}", Verb.INFER, seed.delete, _DELETE, narrow=True)


class _Seed:
    def __init__(self, context: HttpContext) -> None:
        self._context = context
        self._catalog = context.inference.catalog
        self._tasks = context.tasks

    async def predict(self, request: Request) -> Response:
        wanted = _read(await read_body(request, self._context.most_of_json))
        model = wanted.model or self._only_model()
        principal_of(request).permit(Verb.INFER, model)
        served = self._catalog.find(model, wanted.version)
        wait = preferred_wait(request.headers.getlist("prefer"))
        with counted(served, PROTOCOL, 202):
            inference, form = _inference(wanted, served)
            carry_headers(request, inference)
            # never the address: who has proven nothing sees what all such callers handed in
            caller = principal_of(request).caller
            wish = TaskWish(form, caller, ttl=wanted.ttl, webhook=wanted.webhook)
            task_id = await self._tasks.submit(model, wanted.version, inference, wish)
        headers = {"location": f"/result/{path_segment(task_id)}"}
        if wait is not None:
            headers["preference-applied"] = f"wait={wait}"
            record = await while_connected(request, self._tasks.wait(task_id, wait, caller))
            if record.status != "processing":
                return _result_reply(record, headers)
        return json_reply(Accepted(task_id), 202, headers)

    async def result(self, request: Request) -> Response:
        task_id = parameter(request, "task_id")
        wait = preferred_wait(request.headers.getlist("prefer"))
        caller = principal_of(request).caller
        headers = {} if wait is None else {"preference-applied": f"wait={wait}"}
        try:
            if wait is None:
                record = await self._tasks.get(task_id, caller)
            else:
                await read_body(request, self._context.most_of_json)
                record = await while_connected(request, self._tasks.wait(task_id, wait, caller))
        except TaskNotFound:
            return json_reply(NotFound(), 404)
        principal_of(request).permit(Verb.INFER, record.model)
        return _result_reply(record, headers)

    async def delete(self, request: Request) -> Response:
        task_id = parameter(request, "task_id")
        principal = principal_of(request)
        try:
            principal.permit(Verb.INFER, (await self._tasks.get(task_id, principal.caller)).model)
            record = await self._tasks.cancel(task_id, principal.caller)
        except TaskNotFound:
            return json_reply(NotFound(), 404)
        return Response(status_code=204) if record is None else _result_reply(record, {})

    def _only_model(self) -> str:
        only = self._catalog.only()
        if only is None:
            names = ", ".join(self._catalog.names())
            raise MalformedInput("'model'", f"missing; name one of those that are served: {names}")
        return only


def _read(body: bytes) -> SeedRequest:
    try:
        wanted = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedInput("body", str(error)) from None
    except RecursionError:
        raise MalformedInput("body", "nested too deeply") from None
    refuse_double_keys(body)
    if (wanted.inputs is msgspec.UNSET) == (wanted.text is msgspec.UNSET):
        raise MalformedInput("body", "expected exactly one of 'inputs' (tensors) and 'text' (a string or a list)")
    return wanted


def _inference(wanted: SeedRequest, served: Served) -> tuple[InferRequest, str]:
    """Turn the body into an inference and the form in which its result is wanted."""
    text = wanted.text
    if text is msgspec.UNSET:
        assert wanted.inputs is not msgspec.UNSET  # noqa: S101 - _read has looked
        request, form = InferRequest(read_tensors(wanted.inputs, memoryview(b""))), _TENSORS
    else:
        task = served.profile.task if served.profile else None
        if task not in (None, *TEXT_TASKS):
            raise SignatureMismatch(served.name, "the request", "'text'", f"'inputs', since its task is '{task}'")
        texts = [text] if isinstance(text, str) else text
        array = np.empty(len(texts), dtype=object)
        array[:] = [item.encode() for item in texts]
        request, form = InferRequest({"text": array}), _ONE_TEXT if isinstance(text, str) else _TEXTS
    wire = WireRequest(request)
    apply_parameters(wire, wanted.parameters)
    request.priority = wanted.priority or request.priority
    wire.start(time.monotonic())
    return request, form


def _result_reply(record: TaskRecord, headers: dict[str, str]) -> Response:
    if record.result is not None:
        headers |= {MODEL_VERSION: record.result.version}
    return json_reply(told_json(record), headers=headers)


def told_json(record: TaskRecord) -> bytes:
    """The JSON in which a task's state is told."""
    return msgspec.json.encode(_state(record))


def _state(record: TaskRecord) -> Completed | Failed | Processing:
    if record.result is not None:
        return Completed(_told(record.result, record.face))
    if record.error is not None:
        return Failed(record.error.message, record.error.code)
    progress = record.progress
    return Processing(Progress(progress.done, progress.total, progress.ahead) if progress else None)


def _told(result: InferResult, form: str) -> object:
    """The outputs in the form that was asked for."""
    outputs = result.outputs
    if form not in (_ONE_TEXT, _TEXTS):
        return [
            JsonOutput(name, DATATYPE_NAMES[array.dtype], array.shape, json_data(name, array))
            for name, array in outputs.items()
        ]
    names = [name for name in _TOLD if name in outputs] or list(outputs)
    columns = [listed(outputs[name]) for name in names]
    rows = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    return rows[0] if form == _ONE_TEXT else rows


_GROUP = "tasks"
_PREDICT = Doc(
    _GROUP,
    Text("Accept a task, or wait a little for its result", "提交任务，或稍候直接取得结果"),
    {
        200: Answer((Completed, Failed), Text("Waited for, and finished in time.", "在 Prefer: wait 的时间内完成。")),
        202: Answer(Accepted, Text("Accepted: on disk, and run whatever happens.", "已受理并落盘，必定会执行。")),
    },
    (
        MalformedInput,
        ModelNotFound,
        TooLarge,
        SignatureMismatch,
        UncleanText,
        Unsupported,
        Overloaded,
        StorageFailed,
        DeadlineExceeded,
    ),
    SeedRequest,
    {"text": ["很好", "太差了"]},
    ("prefer", "x-request-id", "x-timeout-ms", "traceparent", "content-encoding"),
)
_RESULT = Doc(
    _GROUP,
    Text("What became of a task", "查询任务结果"),
    {
        200: Answer((Completed, Processing, Failed), Text("It is known.", "任务存在。")),
        404: Answer(NotFound, Text("Unknown, or expired.", "不存在或已过期。")),
    },
    (Unsupported, StorageFailed),
    headers=("prefer",),
)
_DELETE = Doc(
    _GROUP,
    Text("Cancel a task, or delete its result", "取消任务，或删除其结果"),
    {
        200: Answer(
            Failed,
            Text("It was not finished; now it is cancelled (or was before).", "尚未完成，现已取消（或此前已取消）。"),
        ),
        204: Answer(None, Text("It was finished; its result is deleted.", "已完成，结果已删除。")),
        404: Answer(NotFound, Text("Unknown, expired, or deleted.", "不存在、已过期或已删除。")),
    },
    (Unsupported, StorageFailed),
)
