"""What a call carries in and out: ids, trace context, deadlines, cancellation, errors, limits."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import cast

import grpc
import numpy as np
import pytest

from pumice.domain.errors import BadSetting, Overloaded
from pumice.domain.request import InferRequest, InferResult
from pumice.gateway.grpc import GrpcOptions
from pumice.gateway.http.hot.limits import HttpLimits
from pumice.protocol.oip.proto import open_inference_pb2 as pb
from tests.gateway.grpc.local import LocalVersion, serving
from tests.support.models import Doubler

INFER = "/inference.GRPCInferenceService/ModelInfer"

Step = Callable[[grpc.aio.Channel, LocalVersion], Awaitable[None]]


def against_a_server(step: Step, version: LocalVersion | None = None, options: GrpcOptions | None = None) -> None:
    """Run a step with a channel to a server of the model `doubler`."""
    served = version or LocalVersion("doubler", Doubler())

    async def run() -> None:
        async with (
            serving(served, options=options) as server,
            grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
        ):
            await step(channel, served)

    asyncio.run(run())


def message(model: str = "doubler", rows: int = 1) -> bytes:
    request = pb.ModelInferRequest(model_name=model)
    request.inputs.add(name="x", datatype="FP32", shape=[rows, 4])
    request.raw_input_contents.append(np.ones((rows, 4), np.float32).tobytes())
    return request.SerializeToString()


async def refused(call: grpc.aio.UnaryUnaryCall[bytes, bytes]) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


def trailers(error: grpc.aio.AioRpcError) -> dict[str, str | bytes]:
    return dict(cast("Iterable[tuple[str, str | bytes]]", error.trailing_metadata()))


def test_the_callers_request_id_and_trace_context_are_used() -> None:
    async def step(channel: grpc.aio.Channel, served: LocalVersion) -> None:
        traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        call = channel.unary_unary(INFER, None, None)(
            message(), metadata=(("x-request-id", "mine-1"), ("traceparent", traceparent))
        )
        await call
        assert (await call.trailing_metadata())["x-request-id"] == "mine-1"
        assert served.seen[0].request_id == "mine-1"
        assert served.seen[0].traceparent == traceparent
        assert served.seen[0].caller == "127.0.0.1"

    against_a_server(step)


def test_a_call_without_an_id_gets_one_and_errors_tell_it_too() -> None:
    async def step(channel: grpc.aio.Channel, served: LocalVersion) -> None:
        call = channel.unary_unary(INFER, None, None)(message())
        await call
        assert dict(await call.trailing_metadata())["x-request-id"] == served.seen[0].request_id
        error = await refused(channel.unary_unary(INFER, None, None)(message("nobody")))
        assert error.code() is grpc.StatusCode.NOT_FOUND
        assert "served: doubler" in str(error.details())
        assert len(trailers(error)["x-request-id"]) == 32

    against_a_server(step)


def test_the_callers_deadline_becomes_the_requests_if_it_is_the_earlier_one() -> None:
    async def step(channel: grpc.aio.Channel, served: LocalVersion) -> None:
        infer = channel.unary_unary(INFER, None, None)
        request = pb.ModelInferRequest.FromString(message())
        await infer(message())
        assert served.seen[-1].deadline is None
        begun = time.monotonic()
        await infer(message(), timeout=30)
        assert served.seen[-1].deadline == pytest.approx(begun + 30, abs=5)
        request.parameters["timeout"].int64_param = 90_000_000
        await infer(request.SerializeToString(), timeout=30)
        assert served.seen[-1].deadline == pytest.approx(begun + 30, abs=5)
        request.parameters["timeout"].int64_param = 15_000_000
        await infer(request.SerializeToString(), timeout=30)
        assert served.seen[-1].deadline == pytest.approx(begun + 15, abs=5)

    against_a_server(step)


class Waiting(LocalVersion):
    """Never answers, and notes when it is told to give up."""

    def __init__(self) -> None:
        super().__init__("doubler", Doubler())
        self.began = asyncio.Event()
        self.given_up = asyncio.Event()

    async def infer(self, request: InferRequest) -> InferResult:
        self.began.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.given_up.set()
        raise AssertionError


def test_a_caller_that_cancels_takes_its_request_along() -> None:
    waiting = Waiting()

    async def step(channel: grpc.aio.Channel, _served: LocalVersion) -> None:
        call = channel.unary_unary(INFER, None, None)(message())
        await waiting.began.wait()
        call.cancel()
        await waiting.given_up.wait()
        assert waiting.stats.requests["grpc", "CANCELLED"] == 1

    against_a_server(step, waiting)


def test_a_deadline_that_passes_ends_the_work() -> None:
    waiting = Waiting()

    async def step(channel: grpc.aio.Channel, _served: LocalVersion) -> None:
        error = await refused(channel.unary_unary(INFER, None, None)(message(), timeout=0.2))
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await waiting.given_up.wait()

    against_a_server(step, waiting)


def test_stopping_waits_for_calls_that_run() -> None:
    async def run() -> None:
        waiting = Waiting()
        async with serving(waiting) as server, grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            call = channel.unary_unary(INFER, None, None)(message())
            await waiting.began.wait()
            stopping = asyncio.create_task(server.stop(30))
            await asyncio.wait({stopping}, timeout=0.2)
            assert not stopping.done()
            assert not waiting.given_up.is_set()
            call.cancel()
            await stopping

    asyncio.run(run())


def test_a_refusal_says_when_to_come_back_and_is_counted() -> None:
    async def step(channel: grpc.aio.Channel, served: LocalVersion) -> None:
        served.failure = Overloaded("the queue is full", 3.0)
        error = await refused(channel.unary_unary(INFER, None, None)(message()))
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert trailers(error)["retry-after"] == "3"
        served.failure = None
        await channel.unary_unary(INFER, None, None)(message())
        assert served.stats.requests == {("grpc", "UNAVAILABLE"): 1, ("grpc", "OK"): 1}

    against_a_server(step)


def test_an_unforeseen_failure_is_logged_whole_and_told_generically(caplog: pytest.LogCaptureFixture) -> None:
    async def step(channel: grpc.aio.Channel, served: LocalVersion) -> None:
        served.failure = ZeroDivisionError("a secret")
        error = await refused(channel.unary_unary(INFER, None, None)(message()))
        assert error.code() is grpc.StatusCode.INTERNAL
        assert error.details() == "Internal error"
        [record] = [record for record in caplog.records if record.name == "pumice.gateway.grpc"]
        assert record.exc_info is not None
        assert "a secret" in str(record.exc_info[1])
        assert record.request_id == trailers(error)["x-request-id"]  # type: ignore[attr-defined]

    against_a_server(step)


@pytest.mark.parametrize("method", ["ModelInfer", "ModelReady", "ModelMetadata", "RepositoryIndex"])
def test_bytes_that_are_no_message_are_the_callers_fault(method: str) -> None:
    async def step(channel: grpc.aio.Channel, _served: LocalVersion) -> None:
        call = channel.unary_unary(f"/inference.GRPCInferenceService/{method}", None, None)(b"\xff\xff")
        error = await refused(call)
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT

    against_a_server(step)


def test_a_message_over_the_limit_is_refused() -> None:
    async def step(channel: grpc.aio.Channel, served: LocalVersion) -> None:
        await channel.unary_unary(INFER, None, None)(message(rows=32))
        error = await refused(channel.unary_unary(INFER, None, None)(message(rows=64)))
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert len(served.seen) == 1

    against_a_server(step, options=GrpcOptions(port=0, limits=HttpLimits(max_body=1000)))


def test_large_tensors_pass_in_both_directions_by_default() -> None:
    async def run() -> None:
        options = [("grpc.max_receive_message_length", -1)]
        async with (
            serving(LocalVersion("doubler", Doubler())) as server,
            grpc.aio.insecure_channel(f"127.0.0.1:{server.port}", options) as channel,
        ):
            answer = await channel.unary_unary(INFER, None, None)(message(rows=1_000_000))
        assert len(pb.ModelInferResponse.FromString(answer).raw_output_contents[0]) == 16_000_000

    asyncio.run(run())


@pytest.mark.parametrize("method", ["TraceSetting", "NoSuchThing"])
def test_methods_that_are_not_there_say_so(method: str) -> None:
    async def step(channel: grpc.aio.Channel, _served: LocalVersion) -> None:
        call = channel.unary_unary(f"/inference.GRPCInferenceService/{method}", None, None)(b"")
        error = await refused(call)
        assert error.code() is grpc.StatusCode.UNIMPLEMENTED

    against_a_server(step)


def test_grpc_is_not_imported_before_it_is_served() -> None:
    code = "import sys, pumice.app, pumice.gateway.http.app; sys.exit('grpc' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_port_in_use_is_a_wrong_setting() -> None:
    async def run() -> None:
        version = LocalVersion("doubler", Doubler())
        async with serving(version) as server:
            with pytest.raises(BadSetting, match=f"grpc_port: given {server.port}"):
                async with serving(version, options=GrpcOptions(port=server.port)):
                    pass

    asyncio.run(run())
