"""What operations of the client take and give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

import msgspec
import numpy as np

from pumice.domain.model import Parameter
from pumice.domain.signature import Tensor


class InferOptions(TypedDict, total=False):
    """Keywords of `infer`; each may be left out.

    Attributes:
        version: Version of the model; the newest if left out.
        parameters: The model's own parameters.
        outputs: Names of the wanted outputs; all if left out.
        timeout: Time for the call with all its tries (s); the server is told, and drops what nobody waits for.
        request_id: The caller's id of the request, for logs: printable ASCII.
        priority: 1 (most urgent) to 16.
        binary: Tensors travel as bytes (the default) instead of JSON.
    """

    version: str
    parameters: Mapping[str, Parameter] | None
    outputs: Sequence[str] | None
    timeout: float | None
    request_id: str | None
    priority: int | None
    binary: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """The whole answer to an inference.

    Attributes:
        outputs: Tensors by name; ``BYTES`` are object arrays of bytes. Numbers may be read-only views of the answer.
        model: Name of the model.
        version: The version that answered.
        request_id: The id under which the server's log has the request.
    """

    outputs: dict[str, np.ndarray]
    model: str
    version: str
    request_id: str


class ModelState(msgspec.Struct, frozen=True):
    """One version of a served model.

    Attributes:
        name: Name of the model.
        version: The version.
        state: ``READY``, ``LOADING``, ``UNLOADING`` or ``UNAVAILABLE``.
        reason: Why it is not ready.
    """

    name: str
    version: str = ""
    state: str = ""
    reason: str = ""


class ModelMetadata(msgspec.Struct, frozen=True):
    """What a server says of a model.

    Attributes:
        name: Name of the model.
        inputs: Tensors that it takes.
        outputs: Tensors that it gives.
        versions: Versions that are served.
        platform: The model's format.
        parameters: What else the server says, for example the ``task``.
    """

    name: str
    inputs: list[Tensor]
    outputs: list[Tensor]
    versions: list[str] = []
    platform: str = ""
    parameters: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an asynchronous task is.

    Attributes:
        done: Rows (or texts) that are finished; they are counted where there are many.
        total: Rows in all.
        ahead: Tasks of its model that are to run before it; None where that is not known.
    """

    done: int
    total: int
    ahead: int | None = None


@dataclass(frozen=True, slots=True)
class TaskState:
    """Where an asynchronous task stands.

    Attributes:
        status: How far it is.
        result: When completed: arrays by name for tensors; else what the model's task gives, for example
            ``{"label", "score"}``, or a list of it for a list of inputs.
        error: When failed: what went wrong.
        code: When failed: the kind of error; ``cancelled`` if its caller wanted it no more.
        progress: While it is processing: how far it is, if the server tells.
    """

    status: Literal["processing", "completed", "failed"]
    result: Any = None
    error: str = ""
    code: str = ""
    progress: Progress | None = None
