"""``ModelStreamInfer``: inferences on one stream, each with any number of answers.

Requests of a stream run at the same time; the answers to one keep their order. What goes wrong with one is told in its
answer and ends nothing else. Answers wait in a short queue, so that a caller who does not read holds the models back.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from pumice.domain.access import Verb
from pumice.domain.errors import PumiceError
from pumice.gateway.grpc.calls import Call, Counted
from pumice.gateway.grpc.context import GrpcContext
from pumice.gateway.grpc.errors import details_of
from pumice.gateway.grpc.methods import Method
from pumice.gateway.grpc.shared_memory import memory_of, read_wire
from pumice.protocol.oip import grpc_codec
from pumice.protocol.oip.proto import open_inference_pb2 as pb

PROTOCOL = "grpc-stream"
"""Label of this face in the metrics."""

_MOST_AT_ONCE = 256
"""Requests of one stream that run at once; the next is read when one of them is done."""

_WAITING = 16
"""Answers that wait for the caller to read."""

_log = logging.getLogger("pumice.gateway.grpc")


class StreamInfer:
    """The method.

    Args:
        context: What the methods work with.
    """

    def __init__(self, context: GrpcContext) -> None:
        self._inference = context.inference
        self._regions = context.regions

    def method(self) -> Method:
        """Give the method to a service."""
        return Method(stream=self.stream_infer)

    async def stream_infer(self, requests: AsyncIterator[bytes], call: Call) -> AsyncGenerator[bytes, None]:
        """Answer the requests of one stream."""
        answers: asyncio.Queue[bytes | None] = asyncio.Queue(_WAITING)
        running = asyncio.ensure_future(self._run_all(requests, call, answers))
        try:
            while (answer := await answers.get()) is not None:
                yield answer
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def _run_all(self, requests: AsyncIterator[bytes], call: Call, answers: asyncio.Queue[bytes | None]) -> None:
        room = asyncio.Semaphore(_MOST_AT_ONCE)
        async with asyncio.TaskGroup() as tasks:
            async for body in requests:
                await room.acquire()
                task = tasks.create_task(self._run(body, call, answers))
                task.add_done_callback(lambda _: room.release())
        await answers.put(None)

    async def _run(self, body: bytes, call: Call, answers: asyncio.Queue[bytes | None]) -> None:
        asked = ""
        told: PumiceError | None = None
        try:
            message = grpc_codec.parse_message(pb.ModelInferRequest, body)
            asked = message.id
            await self._answer(message, call, answers)
        except PumiceError as error:
            told = error
        except Exception as error:  # noqa: BLE001 - the boundary: logged whole, told generically
            _log.error("request failed unexpectedly", exc_info=error, extra={"request_id": call.request_id})
            told = PumiceError()
        if told is not None:
            await answers.put(grpc_codec.encode_stream_error(details_of(told), asked))

    async def _answer(self, message: pb.ModelInferRequest, call: Call, answers: asyncio.Queue[bytes | None]) -> None:
        call.permit(Verb.INFER, message.model_name)
        served = self._inference.catalog.find(message.model_name, message.model_version)
        with Counted(served.stats, PROTOCOL), memory_of(call, self._regions) as memory:
            wire = read_wire(message, memory)
            now = time.monotonic()
            wire.start(now)
            call.carry(wire.request, now)
            served = await self._inference.awake(message.model_name, message.model_version, wire.request.deadline)
            decoupled = served.profile is not None and served.profile.decoupled
            async with aclosing(self._inference.stream(served, wire.request)) as parts:
                async for part in parts:
                    data = grpc_codec.encode_result(part, wire)
                    await answers.put(grpc_codec.encode_stream_part(data, final=not decoupled))
        if decoupled and grpc_codec.wants_final(message):
            await answers.put(grpc_codec.encode_stream_final(served.name, served.version, wire.id))
