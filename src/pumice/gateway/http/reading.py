"""Taking a request in: its path, its body within bounds, its deadline, and whether its caller is still there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar
from urllib.parse import quote, unquote

import msgspec
from starlette.requests import Request
from starlette.types import Receive, Scope

from pumice.domain.access import Principal, Verb
from pumice.domain.errors import Cancelled, MalformedInput, ModelNotReady, PumiceError, TooLarge
from pumice.domain.model import Profile
from pumice.domain.request import InferRequest
from pumice.gateway import headers
from pumice.gateway.http.budget import Held
from pumice.gateway.http.compression import decompress
from pumice.gateway.http.context import Served
from pumice.gateway.http.errors import status_of
from pumice.protocol.json_keys import refuse_double_keys

T = TypeVar("T")

_KEPT = str.maketrans({"/": "%2F", "%": "%25"})


def route_path(scope: Scope) -> str:
    """Return the path with everything decoded but slashes inside of a segment, so that names may have them."""
    raw = scope.get("raw_path")
    if raw is None:
        return str(scope["path"])
    segments = raw.decode("latin-1").partition("?")[0].split("/")
    return "/".join(unquote(segment).translate(_KEPT) for segment in segments)


def parameter(request: Request, name: str) -> str:
    """Return a parameter of the path, decoded, or an empty string if the route does not have it."""
    return unquote(request.path_params.get(name, ""))


def path_segment(name: str) -> str:
    """Write a name as one segment of a path."""
    return quote(name, safe="")


async def read_body(request: Request, limit: int) -> bytes:
    """Read a body, decompressed; nothing more is read once it is too large.

    Args:
        request: The request.
        limit: Largest body, before and after decompression (bytes).

    Raises:
        TooLarge: It is larger.
        Overloaded: The bodies of all requests together are too large.
        MalformedInput: Its compression is unknown or broken.
    """
    held: Held = request.state.held
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise TooLarge("the body", int(declared), limit)
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise TooLarge("the body", size, limit)
        held.grow(size)
        parts.append(part)
    body = b"".join(parts)
    coding = ", ".join(request.headers.getlist("content-encoding"))
    if coding:
        body = decompress(body, coding, limit)
        held.grow(size + len(body))
    return body


def profile_of(served: Served) -> Profile:
    """Return what is known of a version.

    Raises:
        ModelNotReady: No replica has loaded it yet.
    """
    if served.profile is None:
        raise ModelNotReady(served.name, served.reason)
    return served.profile


def principal_of(request: Request) -> Principal:
    """Return the caller of a request."""
    principal: Principal = request.state.principal
    return principal


def query_of(request: Request, known: tuple[str, ...]) -> dict[str, str]:
    """Return what stands behind the question mark.

    Args:
        request: The request.
        known: Names that may stand there, each once.

    Raises:
        MalformedInput: Another stands there, or one stands there twice.
    """
    given: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name not in known:
            allowed = ", ".join(known) or "none"
            raise MalformedInput(f"parameter '{name[:100]}'", f"unknown behind the question mark; known: {allowed}")
        if name in given:
            raise MalformedInput(f"parameter '{name}'", "it stands there twice; give it once")
        given[name] = value
    return given


async def read_json(request: Request, kind: type[T], limit: int) -> T:
    """Read a body that is JSON; an empty one stands for an object without members.

    Args:
        request: The request.
        kind: What it should be.
        limit: Largest body (bytes).

    Raises:
        TooLarge: It is larger.
        MalformedInput: It is no JSON, or not of this kind.
    """
    body = await read_body(request, limit)
    try:
        read = msgspec.json.decode(body or b"{}", type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedInput("body", str(error)) from None
    refuse_double_keys(body)
    return read


def visible(request: Request, models: Iterable[str]) -> list[str]:
    """Return the models that a request's caller may look at."""
    principal = principal_of(request)
    return [model for model in models if principal.allows(Verb.READ, model)]


def caller_of(request: Request) -> str:
    """Return the name of a request's caller: of its key or token, or its address."""
    return principal_of(request).caller or (request.client.host if request.client else "")


def actor_of(request: Request) -> str:
    """Return who changes something, for people: what they call the key, and its id."""
    name = principal_of(request).name
    return f"{name} ({caller_of(request)})" if name else caller_of(request)


def deadline_in(request: Request) -> float | None:
    """Return the moment on the monotonic clock after which the caller does not wait (s), or None.

    Raises:
        MalformedInput: The header is no number.
    """
    return headers.deadline_of(request.headers.get(headers.TIMEOUT_MS, ""), time.monotonic())


def carry_headers(request: Request, inference: InferRequest) -> None:
    """Give an inference its id, caller, deadline and trace context.

    Raises:
        MalformedInput: The deadline is no number.
    """
    inference.request_id = request.state.request_id
    inference.caller = caller_of(request)
    inference.deadline = deadline_in(request)
    inference.traceparent = request.headers.get(headers.TRACEPARENT, "")


@contextmanager
def counted(served: Served, protocol: str, status: int = 200) -> Iterator[None]:
    """Count the request that is answered inside, by its outcome.

    Args:
        served: The version that it is for.
        protocol: Label of the face in the metrics.
        status: HTTP status if nothing is raised.
    """
    begun = time.perf_counter()
    try:
        yield
    except PumiceError as error:
        status = status_of(error)
        raise
    except BaseException:
        status = 500
        raise
    finally:
        served.stats.finished(protocol, str(status), time.perf_counter() - begun)


async def while_connected(request: Request, work: Coroutine[None, None, T]) -> T:
    """Do work for a caller, and cancel it if the caller goes away.

    The body must have been read.

    Raises:
        Cancelled: The caller has gone.
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_disconnected(request.receive))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Cancelled
        return task.result()
    finally:
        task.cancel()
        gone.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
