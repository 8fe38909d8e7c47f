"""Turns a model and how it is to be asked into a job of the load generator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from pumice.cli.bench.samples import sample_inputs
from pumice.cli.inputs import Given
from pumice.client import ModelMetadata
from pumice.client.flow import Call
from pumice.client.inference import JSON_LENGTH, Options, infer_call
from pumice.client.load import LoadJob
from pumice.client.predictions import joined, only_input, typed
from pumice.domain.errors import BadSetting

Protocol = Literal["json", "binary"]

_VARIETY = 64
"""Different requests that are sent in turn, where none are given."""

_SEED = 20260101


@dataclass(frozen=True, slots=True)
class Load:
    """How a model is to be asked.

    Attributes:
        connections: Callers at once; each waits for its answer before it asks again.
        seconds: Length of the measured time (s).
        warmup_seconds: Time before it, which is not counted (s).
        rows: Rows of every request.
        free: Size of the inputs' free axes other than the first.
        protocol: How tensors travel.
        timeout_s: When a request counts as failed (s).
        api_key: Key to send, if there is one.
    """

    connections: int
    seconds: float
    warmup_seconds: float
    rows: int
    free: int
    protocol: Protocol
    timeout_s: float
    api_key: str | None = None


def bearer(api_key: str | None) -> dict[str, str]:
    """Return the headers that show a key; none without one."""
    return {"authorization": f"Bearer {api_key}"} if api_key else {}


def load_job(url: str, known: ModelMetadata, version: str, given: Given | None, load: Load, pid: int | None) -> LoadJob:
    """Build the job.

    Args:
        url: The server.
        known: What the model takes.
        version: The version to ask; empty: the newest.
        given: What to send; random inputs that fit the signature if left out.
        load: How to ask.
        pid: Process of the server, if its CPU time can be taken.

    Raises:
        BadSetting: There is nothing to send.
        SignatureMismatch: What is given does not fit the model.
    """
    options = Options(version=version, binary=load.protocol == "binary")
    calls = [infer_call(known.name, inputs, options) for inputs in _requests(known, given, load)]
    if not calls:
        raise BadSetting("--input", "no items", "at least one")
    headers, bodies = _aligned(calls)
    return LoadJob(
        url=url.rstrip("/") + calls[0].path,
        headers=headers | bearer(load.api_key),
        bodies=tuple(bodies),
        connections=load.connections,
        seconds=load.seconds,
        warmup_seconds=load.warmup_seconds,
        timeout=load.timeout_s,
        expect='"outputs"',
        pids=() if pid is None else (pid,),
    )


def _requests(known: ModelMetadata, given: Given | None, load: Load) -> list[Mapping[str, Any]]:
    if given is None:
        chance = np.random.default_rng(_SEED)
        return [sample_inputs(known, load.rows, load.free, chance) for _ in range(_VARIETY)]
    if given.tensors:
        tensors = {tensor.name: tensor for tensor in known.inputs}
        return [{n: typed(known.name, tensors[n], v) if n in tensors else v for n, v in given.tensors.items()}]
    tensor = only_input(known)
    if tensor.shape[:1] != [-1]:
        return [{tensor.name: typed(known.name, tensor, item)} for item in given.items]
    starts = range(0, len(given.items), load.rows)
    return [{tensor.name: joined(known.name, tensor, given.items[at : at + load.rows])} for at in starts]


def _aligned(calls: Sequence[Call]) -> tuple[dict[str, str], list[bytes]]:
    """Pad the JSON of binary requests with spaces, so that one header tells the length of all."""
    headers = dict(calls[0].headers)
    if JSON_LENGTH not in headers:
        return headers, [call.body for call in calls]
    lengths = [int(call.headers[JSON_LENGTH]) for call in calls]
    longest = max(lengths)
    headers[JSON_LENGTH] = str(longest)
    pairs = zip(calls, lengths, strict=True)
    return headers, [call.body[:n] + b" " * (longest - n) + call.body[n:] for call, n in pairs]
