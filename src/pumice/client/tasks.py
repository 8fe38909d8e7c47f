"""Operations on asynchronous tasks: submit, look, wait."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal
from urllib.parse import quote

import msgspec

from pumice.client.errors import BadAnswer, TaskFailed
from pumice.client.flow import Call, Flow, Link, Pause
from pumice.client.inference import id_header
from pumice.client.models import decoded
from pumice.client.refusals import refusal
from pumice.client.types import Progress, TaskState
from pumice.domain.errors import BadSetting, DeadlineExceeded, MalformedInput
from pumice.protocol.oip.client_codec import decode_tensors, json_inputs, wire_array

Work = str | Sequence[str] | Mapping[str, Any]
"""A text, texts, or arrays by the names of the model's inputs."""

_NO_CONTENT = 204
_FIRST_LOOK_S = 0.02
_LONGEST_LOOK_S = 1.0
_SLOWING = 1.5
_LONGEST_HOLD_S = 20.0
"""How long the server is asked to wait for a task before it says that it is not finished (s)."""


class _Accepted(msgspec.Struct):
    task_id: str


class _Status(msgspec.Struct):
    status: Literal["processing", "completed", "failed"]
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: msgspec.Raw = msgspec.Raw(b"null")
    code: str = ""
    progress: Progress | None = None


def submit(link: Link, model: str | None, work: Work, version: str = "", request_id: str | None = None) -> Flow[str]:
    """Hand a task in.

    It is not sent again when the connection breaks under it, since the server may have accepted it.

    Args:
        link: How the server is spoken to.
        model: Name of the model; None where the server has one only.
        work: What to run.
        version: Version of the model; the newest if left out.
        request_id: The caller's id of the request, for logs.

    Returns:
        The id of the task.

    Raises:
        PumiceError: Of the connection, or as the server refuses.
    """
    body: dict[str, Any] = ({"model": model} if model else {}) | ({"version": version} if version else {})
    if isinstance(work, Mapping):
        arrays = {name: wire_array(model or "", name, value) for name, value in work.items()}
        body["inputs"] = json_inputs(arrays)
    else:
        body["text"] = work if isinstance(work, str) else _listed(work)
    headers = {"content-type": "application/json"} | id_header(request_id or "")
    call = Call("POST", "/predict", headers, msgspec.json.encode(body), repeatable=False)
    reply = yield from link.exchange(call)
    if not reply.ok:
        raise refusal(reply, model=model or "", version=version)
    return decoded(call, reply, _Accepted).task_id


def result(link: Link, task_id: str) -> Flow[TaskState]:
    """Look how far a task is.

    Raises:
        TaskNotFound: There is no such task, or its result has expired.
        PumiceError: Of the connection, or as the server refuses.
    """
    state, _ = yield from _look(link, task_id, link.timeout_s, 0)
    return state


def _look(link: Link, task_id: str, timeout_s: float, wait_s: int) -> Flow[tuple[TaskState, bool]]:
    """Look at a task; tell as well whether the server has waited for it, as it was asked to (s; 0: not at all)."""
    headers = {"prefer": f"wait={wait_s}"} if wait_s else {}
    call = Call("GET", f"/result/{quote(task_id, safe='')}", headers)
    reply = yield from link.exchange(call, timeout_s)
    if not reply.ok:
        raise refusal(reply, task_id=task_id)
    status = decoded(call, reply, _Status)
    try:
        told = _value(status.result), _sentence(status.error)
    except MalformedInput as error:
        raise BadAnswer(str(call), str(error)) from None
    state = TaskState(status.status, *told, code=status.code, progress=status.progress)
    return state, "preference-applied" in reply.headers


def cancel(link: Link, task_id: str) -> Flow[bool]:
    """Say that a task's result is not wanted.

    Returns:
        Whether it was not finished and is cancelled now (or was before); False if it was finished: its result is
        deleted.

    Raises:
        TaskNotFound: There is no such task, or its result has expired or is deleted.
        PumiceError: Of the connection, or as the server refuses.
    """
    call = Call("DELETE", f"/result/{quote(task_id, safe='')}")
    reply = yield from link.exchange(call)
    if not reply.ok:
        raise refusal(reply, task_id=task_id)
    return reply.status != _NO_CONTENT


def wait(link: Link, task_id: str, timeout_s: float) -> Flow[Any]:
    """Wait until a task has ended.

    Args:
        link: How the server is spoken to.
        task_id: The task.
        timeout_s: Longest wait (s).

    Returns:
        Its result, as in `TaskState`.

    Raises:
        TaskFailed: It ended with an error.
        DeadlineExceeded: It has not ended in time; it goes on.
        PumiceError: As `result`.
    """
    deadline = link.clock.monotonic() + timeout_s
    pause = _FIRST_LOOK_S
    while True:
        left = deadline - link.clock.monotonic()
        if left <= 0:
            raise DeadlineExceeded(f"the wait of {timeout_s:g} s for task '{task_id}'")
        state, waited = yield from _look(link, task_id, left, int(min(left / 2, _LONGEST_HOLD_S)))
        if state.status == "completed":
            return state.result
        if state.status == "failed":
            raise TaskFailed(task_id, state.error)
        if not waited:
            yield Pause(min(pause, max(deadline - link.clock.monotonic(), 0.0)))
            pause = min(pause * _SLOWING, _LONGEST_LOOK_S)


def _listed(work: Sequence[str]) -> list[str]:
    strange = [type(item).__name__ for item in work if not isinstance(item, str)]
    if strange:
        raise BadSetting("submit()", f"an item of type {strange[0]}", "texts, or arrays by input name")
    return list(work)


def _value(raw: msgspec.Raw) -> Any:
    """Read a result; tensors become arrays."""
    value: Any = msgspec.json.decode(raw)
    if isinstance(value, list) and value and all(isinstance(item, dict) and "datatype" in item for item in value):
        return decode_tensors(bytes(raw))
    return value


def _sentence(raw: msgspec.Raw) -> str:
    error: Any = msgspec.json.decode(raw)
    if isinstance(error, dict):
        error = error.get("detail") or error.get("message") or error
    return "" if error is None else str(error)
