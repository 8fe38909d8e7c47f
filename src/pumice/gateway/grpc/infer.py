"""``ModelInfer``: decode, submit, encode; no task a call, so that calls that come together make one batch."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pumice.domain.access import Verb
from pumice.domain.errors import PumiceError
from pumice.domain.request import InferResult
from pumice.gateway.grpc.errors import status_of
from pumice.gateway.grpc.methods import Method, unforeseen
from pumice.protocol.grpc.status import StatusCode
from pumice.protocol.oip.grpc_codec import encode_result
from pumice.protocol.oip.grpc_heads import Asked, Heads
from pumice.protocol.oip.types import WireRequest, bind_outputs, check_outputs

if TYPE_CHECKING:
    from pumice.gateway.grpc.calls import Call
    from pumice.runtime.front.version import ServedVersion
    from pumice.service.inference import Inference
    from pumice.service.shared_memory import CallersRegions, Regions

PROTOCOL = "grpc"
"""Label of this face in the metrics."""

_MOST_MODELS = 1000
"""Names that are remembered of one caller; whoever may run all models may also ask for those that are not there."""


class Infer:
    """The method.

    Args:
        inference: The operation, and the catalogue of what is served.
        regions: Shared memory of callers; None: the operator has not allowed any.
    """

    def __init__(self, inference: Inference, regions: Regions | None) -> None:
        self._inference = inference
        self._regions = regions
        self._heads = Heads()

    def method(self) -> Method:
        """Give the method to a service."""
        return Method(take=self.take)

    def take(self, call: Call, body: bytes) -> None:
        """Take one call; it is answered when its batch is."""
        served: ServedVersion | None = None
        started = time.monotonic()
        try:
            memory = self._memory_of(call, len(body))
            asked = self._heads.read(body, memory)
            model = asked.model
            if model not in call.runs:
                call.permit(Verb.INFER, model)
                if len(call.runs) < _MOST_MODELS:
                    call.runs.add(model)
            served = self._inference.catalog.find(model, asked.version)
            if asked.wire.shared is not None:
                bind_outputs(asked.wire, memory)
            asked.wire.start(started)
            call.carry(asked.wire.request, started)
            if served.dormant:
                call.spawn(self._wake(call, asked, served, started))
            else:
                self._submit(call, asked.wire, served, started)
        except PumiceError as error:
            _fail(call, served, error, started)
        except Exception as error:  # noqa: BLE001 - the boundary: logged whole, told generically
            _fail(call, served, unforeseen(error, call), started)

    def _memory_of(self, call: Call, held: int) -> CallersRegions | None:
        """What the caller has of shared memory; what is read of it counts like a message."""
        if self._regions is None:
            return None

        def hold(size: int) -> None:
            call.hold(held + size)

        return self._regions.of(call.principal.caller, hold)

    def _submit(self, call: Call, wire: WireRequest, served: ServedVersion, started: float) -> None:
        if wire.outputs and served.profile is not None:
            check_outputs(wire, served.name, served.profile.signature)
        done = _Answer(call, served, wire, started)
        ticket = self._inference.submit(served, wire.request, done)

        def leave() -> None:
            ticket.cancel()
            served.stats.finished(PROTOCOL, StatusCode.CANCELLED.name, time.monotonic() - started)

        if not call.ended_out:  # a cache answers at once
            call.abandoned = leave

    async def _wake(self, call: Call, asked: Asked, served: ServedVersion, started: float) -> None:
        """Let a call wait until its version is in memory."""
        try:
            served = await self._inference.awake(asked.model, asked.version, asked.wire.request.deadline)
            self._submit(call, asked.wire, served, started)
        except PumiceError as error:
            _fail(call, served, error, started)
        except Exception as error:  # noqa: BLE001 - as above
            _fail(call, served, unforeseen(error, call), started)


class _Answer:
    """What is kept of a call until its batch is back."""

    __slots__ = ("_call", "_served", "_started", "_wire")

    def __init__(self, call: Call, served: ServedVersion, wire: WireRequest, started: float) -> None:
        self._call = call
        self._served = served
        self._wire = wire
        self._started = started

    def __call__(self, result: InferResult | None, error: PumiceError | None) -> None:
        call = self._call
        if result is None:
            _fail(call, self._served, error or PumiceError(), self._started)
            return
        try:
            message = encode_result(result, self._wire)
        except PumiceError as problem:
            _fail(call, self._served, problem, self._started)
            return
        call.answer(message, result.version)
        self._served.stats.finished(PROTOCOL, StatusCode.OK.name, time.monotonic() - self._started)


def _fail(call: Call, served: ServedVersion | None, error: PumiceError, started: float) -> None:
    """Answer with an error, and count it."""
    code = status_of(error)
    if served is not None:
        served.stats.finished(PROTOCOL, code.name, time.monotonic() - started)
    call.fail(error)
