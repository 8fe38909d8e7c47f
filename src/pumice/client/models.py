"""Operations on a server and its models: health, names, metadata."""

from __future__ import annotations

from typing import TypeVar
from urllib.parse import quote

import msgspec

from pumice.client.errors import BadAnswer
from pumice.client.flow import Broken, Call, Flow, Link, Reply
from pumice.client.refusals import refusal
from pumice.client.types import ModelMetadata, ModelState
from pumice.domain.errors import PumiceError

T = TypeVar("T")

_NOT_READY = frozenset({400, 429, 500, 502, 503, 504})
"""Statuses by which servers and proxies say that they cannot answer now."""


def model_path(model: str, version: str = "") -> str:
    """Return the path of a model, with odd characters quoted."""
    path = f"/v2/models/{quote(model, safe='')}"
    return f"{path}/versions/{quote(version, safe='')}" if version else path


def live(link: Link) -> Flow[bool]:
    """Ask whether the server is there; asked once, and a server that cannot be reached is not."""
    return (yield from _healthy(link, "/v2/health/live", ""))


def ready(link: Link, model: str | None, version: str = "") -> Flow[bool]:
    """Ask whether the server, or one model, can answer now; asked once.

    Raises:
        ModelNotFound: There is no such model.
    """
    path = "/v2/health/ready" if model is None else f"{model_path(model, version)}/ready"
    return (yield from _healthy(link, path, model or ""))


def models(link: Link) -> Flow[list[ModelState]]:
    """List the served versions."""
    call = Call("POST", "/v2/repository/index", {"content-type": "application/json"}, b"{}")
    reply = yield from link.exchange(call)
    if not reply.ok:
        raise refusal(reply)
    return decoded(call, reply, list[ModelState])


def metadata(link: Link, model: str, version: str = "") -> Flow[ModelMetadata]:
    """Fetch what a model takes and gives.

    Raises:
        ModelNotFound: There is no such model.
    """
    call = Call("GET", model_path(model, version))
    reply = yield from link.exchange(call)
    if not reply.ok:
        raise refusal(reply, model=model, version=version)
    return decoded(call, reply, ModelMetadata)


def decoded(call: Call, reply: Reply, kind: type[T]) -> T:
    """Read the JSON of an answer.

    Raises:
        BadAnswer: It is not of this type.
    """
    try:
        return msgspec.json.decode(reply.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, PumiceError) as error:
        raise BadAnswer(str(call), str(error)) from None


def _healthy(link: Link, path: str, model: str) -> Flow[bool]:
    outcome = yield from link.attempt(Call("GET", path), link.timeout_s)
    if isinstance(outcome, Broken) or outcome.status in _NOT_READY:
        return False
    if not outcome.ok:
        raise refusal(outcome, model=model)
    return True
