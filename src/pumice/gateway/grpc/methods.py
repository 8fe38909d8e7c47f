"""What the server offers: methods of one message in and one out, and methods that stream."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pumice.domain.errors import PumiceError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from pumice.gateway.grpc.calls import Call

_log = logging.getLogger("pumice.gateway.grpc")

Operation = Callable[[bytes, "Call"], Awaitable[bytes]]
"""Answers the bytes of one message with those of another; raises errors of `pumice.domain.errors`."""

Take = Callable[["Call", bytes], None]
"""Takes a call with its whole message; answers it now or later by `Call.answer` or `Call.fail`. It raises nothing."""

StreamOperation = Callable[[AsyncIterator[bytes], "Call"], "AsyncGenerator[bytes, None]"]
"""Answers any number of messages with any number of others; raises errors of `pumice.domain.errors`."""


@dataclass(frozen=True, slots=True)
class Method:
    """One of the two is set.

    Attributes:
        take: Of a method of one message in and one out.
        stream: Of a method that streams, in whatever direction.
    """

    take: Take | None = None
    stream: StreamOperation | None = None


Methods = dict[str, Method]
"""Methods by their full names."""


def unary(operation: Operation) -> Method:
    """Make an operation a method of one message in and one out.

    Messages stay bytes on the way to the operation, so that one that cannot be read is the caller's fault
    (INVALID_ARGUMENT) and not the server's.
    """

    def take(call: Call, body: bytes) -> None:
        call.spawn(_answer(operation, body, call))

    return Method(take=take)


def named(service: str, methods: Methods) -> Methods:
    """Give the methods of a service their full names."""
    return {f"/{service}/{name}": method for name, method in methods.items()}


async def run_stream(operation: StreamOperation, call: Call) -> None:
    """Run a method that streams, to its end."""
    told: PumiceError | None = None
    try:
        async with aclosing(operation(call.requests(), call)) as answers:
            async for answer in answers:
                await call.send(answer)
    except PumiceError as error:
        told = error
    except Exception as error:  # noqa: BLE001 - the boundary: logged whole, told generically
        told = unforeseen(error, call)
    if told is not None:
        call.fail(told)
    else:
        call.finish()


def unforeseen(error: Exception, call: Call) -> PumiceError:
    """Log a failure that nobody has thought of; returns what the caller hears of it."""
    _log.error("request failed unexpectedly", exc_info=error, extra={"request_id": call.request_id})
    return PumiceError()


async def _answer(operation: Operation, body: bytes, call: Call) -> None:
    told: PumiceError | None = None
    answer = b""
    try:
        answer = await operation(body, call)
    except PumiceError as error:
        told = error
    except Exception as error:  # noqa: BLE001 - the boundary: logged whole, told generically
        told = unforeseen(error, call)
    except BaseException:
        await call.record("failed: CANCELLED")
        raise
    await call.conclude(answer, told)
