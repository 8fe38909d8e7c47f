"""The door of gRPC: stands before every service, and asks before a method sees its message."""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import grpc

from pumice.domain.access import ANYBODY, EVERY, Principal, Verb
from pumice.domain.errors import PumiceError
from pumice.gateway.grpc.errors import details_of, retry_metadata, status_of
from pumice.gateway.grpc.verbs import NARROW, verb_of
from pumice.gateway.headers import REQUEST_ID, choose_request_id
from pumice.service.access.access import Access
from pumice.service.access.audit import Act
from pumice.service.access.doors import Doors, Standing

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[Any, Any]
    Method = grpc.RpcMethodHandler[Any, Any]
    Before = Callable[[Context], Awaitable[None]]

PRINCIPAL: ContextVar[Principal] = ContextVar("principal", default=ANYBODY)
"""The caller of the call that runs in this task."""

TARGET: ContextVar[dict[str, str] | None] = ContextVar("target", default=None)
"""What the management act that runs in this task is about, as far as its method has told."""

_DENIALS = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)

_log = logging.getLogger("pumice.gateway.grpc")


class Guarded(grpc.GenericRpcHandler):  # type: ignore[type-arg]
    """A service behind the door.

    Args:
        service: The service.
        access: Says who may come in, and is told what those who manage did.
    """

    def __init__(self, service: grpc.GenericRpcHandler[Any, Any], access: Access) -> None:
        self._service = service
        self._access = access

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Method | None:
        """Find the method of a call, or what refuses it."""
        method: Method | None = self._service.service(handler_call_details)
        name = str(handler_call_details.method)
        verb = verb_of(name)
        if method is None or verb is Verb.OPEN:
            return method
        metadata = {str(key): value for key, value in handler_call_details.invocation_metadata or ()}
        if self._access.doors is not None:
            method = _behind(self._access.doors, method, name, str(metadata.get("authorization", "")))
        elif self._access.by_certificate:
            method = _preceded(method, _name_by_certificate)
        if verb is Verb.MANAGE and self._access.audit is not None:
            method = self._audited(method, name, choose_request_id(str(metadata.get(REQUEST_ID, ""))))
        return method

    def _audited(self, method: Method, name: str, request_id: str) -> Method:
        run, audit = method.unary_unary, self._access.audit
        if run is None or audit is None:
            return method

        async def unary(body: Any, context: Any) -> Any:
            target: dict[str, str] = {}
            TARGET.set(target)

            async def write(result: str) -> None:
                who = PRINCIPAL.get().caller or "anybody"
                act = Act(
                    who=who, what=name, target=target, result=result, origin=context.peer(), request_id=request_id
                )
                await audit.write(act)

            recorded: Any = _Recorded(context, write)
            try:
                answer = await run(body, recorded)
            except BaseException:
                if not recorded.ended:
                    await write("failed: CANCELLED")
                raise
            await write("done")
            return answer

        return _like(method, unary)


class _Recorded:
    """A call's context that writes a refusal down before the caller hears of it."""

    def __init__(self, context: Context, write: Callable[[str], Awaitable[None]]) -> None:
        self._context = context
        self._write = write
        self.ended = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    async def abort(self, code: grpc.StatusCode, details: str, trailers: Any = ()) -> None:
        self.ended = True
        await self._write(f"{'denied' if code in _DENIALS else 'failed'}: {details}")
        await self._context.abort(code, details, trailers)


async def _name_by_certificate(context: Context) -> None:
    names = list(context.auth_context().get("x509_common_name", ()))
    PRINCIPAL.set(replace(ANYBODY, caller=f"cert:{names[0].decode()}" if names else ""))


def _behind(doors: Doors, method: Method, name: str, authorization: str) -> Method:
    """The method for a caller who may come in, else one that refuses; one that waits where the answer takes a while."""
    try:
        standing = doors.recognise(authorization)
        if standing is not None:
            _enter(standing, name)
            if doors.admit(standing, time.monotonic()):
                return method
    except PumiceError as error:
        refusal = error

        async def refuse(context: Context) -> None:
            await _abort(context, refusal)

        return _preceded(method, refuse)

    async def ask(context: Context) -> None:
        told: PumiceError | None = None
        try:
            standing = await doors.known(authorization)
            _enter(standing, name)
            await doors.admitted(standing)
        except PumiceError as error:
            told = error
        except Exception as error:  # noqa: BLE001 - the boundary: logged whole, told generically
            _log.error("request failed unexpectedly", exc_info=error)
            told = PumiceError()
        if told is not None:
            await _abort(context, told)

    return _preceded(method, ask)


def _enter(standing: Standing, name: str) -> None:
    principal = standing.principal
    verb = verb_of(name)
    PRINCIPAL.set(principal)
    if name not in NARROW or not principal.allows_some(verb):
        principal.permit(verb, EVERY)


async def _abort(context: Context, error: PumiceError) -> None:
    metadata = {str(key): value for key, value in context.invocation_metadata() or ()}
    request_id = choose_request_id(str(metadata.get(REQUEST_ID, "")))
    await context.abort(status_of(error), details_of(error), ((REQUEST_ID, request_id), *retry_metadata(error)))


def _preceded(method: Method, before: Before) -> Method:
    """A method that does something first."""
    run: Any = method.unary_unary or method.unary_stream or method.stream_unary or method.stream_stream
    if inspect.isasyncgenfunction(run):

        async def stream(body: Any, context: Context) -> AsyncIterator[Any]:
            await before(context)
            async for part in run(body, context):
                yield part

        return _like(method, stream)

    async def single(body: Any, context: Context) -> Any:
        await before(context)
        return await run(body, context)

    return _like(method, single)


def _like(method: Method, run: Any) -> Method:
    """A method of the same kind that does something else."""
    makers: dict[tuple[bool, bool], Any] = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }
    make = makers[method.request_streaming, method.response_streaming]
    made: Method = make(run, method.request_deserializer, method.response_serializer)
    return made
