"""One call: its metadata and deadline on the way in, its status and trailers on the way out."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import unquote

import grpc

from pumice.domain.access import Verb
from pumice.domain.errors import PumiceError
from pumice.domain.request import InferRequest
from pumice.gateway.grpc.errors import details_of, retry_metadata, status_of
from pumice.gateway.grpc.guard import PRINCIPAL, TARGET
from pumice.gateway.headers import REQUEST_ID, TRACEPARENT, choose_request_id
from pumice.observe.stats import VersionStats

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[bytes, bytes]
    UnaryHandler = grpc.RpcMethodHandler[bytes, bytes]

_log = logging.getLogger("pumice.gateway.grpc")


class Call:
    """What an operation sees of its call, besides the message.

    Args:
        context: gRPC's view of it.

    Attributes:
        principal: The caller, as the door knows it.
        request_id: The caller's ``x-request-id``, or a new one.
        target: What a management act is about, for the record.
        traceparent: The caller's W3C trace context, or an empty string.
        trailers: Metadata that end the call.
    """

    __slots__ = ("_context", "principal", "request_id", "target", "traceparent", "trailers")

    def __init__(self, context: Context) -> None:
        metadata = dict(context.invocation_metadata() or ())
        self._context = context
        self.principal = PRINCIPAL.get()
        self.request_id = choose_request_id(str(metadata.get(REQUEST_ID, "")))
        target = TARGET.get()
        self.target = {} if target is None else target
        self.traceparent = str(metadata.get(TRACEPARENT, ""))
        self.trailers: tuple[tuple[str, str], ...] = ((REQUEST_ID, self.request_id),)

    def permit(self, verb: Verb, model: str) -> None:
        """Let the caller do something with a model.

        Raises:
            Forbidden: Its scopes do not say so.
        """
        self.principal.permit(verb, model)

    def carry(self, request: InferRequest, now: float) -> None:
        """Give an inference the call's id, caller, trace context and deadline, if that is the earlier one.

        Args:
            request: The inference.
            now: The monotonic clock (s).
        """
        request.request_id = self.request_id
        request.caller = self.principal.caller or address_of(self._context.peer())
        request.traceparent = self.traceparent
        remaining: float | None = self._context.time_remaining()
        if remaining is not None and (request.deadline is None or now + remaining < request.deadline):
            request.deadline = now + remaining


@lru_cache(maxsize=4096)
def address_of(peer: str) -> str:
    """Return the address in gRPC's word for a peer, as HTTP names it, so that a caller is the same on both.

    Args:
        peer: For example ``ipv4:127.0.0.1:52100``, ``ipv6:%5B::1%5D:52100`` or ``unix:``.
    """
    family, _, place = peer.partition(":")
    if family not in {"ipv4", "ipv6"}:
        return ""
    return unquote(place.rpartition(":")[0]).strip("[]")


Operation = Callable[[bytes, Call], Awaitable[bytes]]
"""Answers the bytes of one message with those of another; raises errors of `pumice.domain.errors`."""


def unary(operation: Operation) -> UnaryHandler:
    """Make an operation a method of one message in and one out.

    Messages stay bytes on the way to the operation, so that one that cannot be read is the caller's fault
    (INVALID_ARGUMENT) and not, as with gRPC's own deserializers, the server's.
    """

    async def handle(body: bytes, context: Context) -> bytes:
        call = Call(context)
        told: PumiceError | None = None
        try:
            answer = await operation(body, call)
        except PumiceError as error:
            told = error
        except Exception as error:  # noqa: BLE001 - the boundary: logged whole, told generically
            _log.error("request failed unexpectedly", exc_info=error, extra={"request_id": call.request_id})
            told = PumiceError()
        if told is not None:
            await context.abort(status_of(told), details_of(told), call.trailers + retry_metadata(told))
        context.set_trailing_metadata(call.trailers)
        return answer

    return grpc.unary_unary_rpc_method_handler(handle)


class Counted:
    """Counts the request that is answered inside of a ``with`` block, by its outcome.

    Args:
        stats: Counters of the version that it is for.
        protocol: Label of the face in the metrics.
    """

    __slots__ = ("_begun", "_protocol", "_stats")

    def __init__(self, stats: VersionStats, protocol: str) -> None:
        self._stats = stats
        self._protocol = protocol

    def __enter__(self) -> None:
        self._begun = time.perf_counter()

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        code = "OK" if error is None else _code_of(error)
        self._stats.finished(self._protocol, code, time.perf_counter() - self._begun)


def _code_of(error: BaseException) -> str:
    if isinstance(error, asyncio.CancelledError):
        return grpc.StatusCode.CANCELLED.name
    return status_of(error if isinstance(error, PumiceError) else PumiceError()).name
