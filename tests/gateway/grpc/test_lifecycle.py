"""A whole server under gRPC calls: nothing is lost when a replica dies or the server is asked to stop."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from pumice.protocol.oip.proto import open_inference_pb2 as pb
from tests.support.server import RunningServer
from tests.support.wire import metric, until

CALLS = 6


def begin(channel: grpc.aio.Channel, gate: Path) -> list[grpc.aio.UnaryUnaryCall[bytes, bytes]]:
    """Send calls that are held until there is a file of this name."""
    request = pb.ModelInferRequest(model_name="gated")
    request.inputs.add(name="x", datatype="FP32", shape=[1, 4])
    request.raw_input_contents.append(bytes(16))
    request.parameters["gate"].string_param = str(gate)
    infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer", None, None)
    return [infer(request.SerializeToString()) for _ in range(CALLS)]


@pytest.fixture
def server() -> Iterator[RunningServer]:
    with RunningServer("gated=tests.support.models:Gated") as running:
        yield running


def test_calls_survive_the_death_of_a_replica_and_health_tells_the_truth(server: RunningServer, tmp_path: Path) -> None:
    async def run() -> None:
        async with grpc.aio.insecure_channel(server.grpc) as channel:
            watch = HealthStub(channel).Watch(HealthCheckRequest(service="gated"))
            states = aiter(watch)
            assert (await anext(states)).status == HealthCheckResponse.SERVING
            calls = begin(channel, tmp_path / "gate")
            await asyncio.to_thread(until, lambda: metric(server.url, "pumice_inflight_requests") == CALLS)
            [replica] = server.replicas()
            os.kill(replica, signal.SIGKILL)
            assert (await anext(states)).status == HealthCheckResponse.NOT_SERVING
            assert (await anext(states)).status == HealthCheckResponse.SERVING
            (tmp_path / "gate").touch()
            assert len(await asyncio.gather(*calls)) == CALLS
            watch.cancel()

    asyncio.run(run())


def test_calls_that_run_are_answered_before_the_server_ends(server: RunningServer, tmp_path: Path) -> None:
    async def run() -> None:
        async with grpc.aio.insecure_channel(server.grpc) as channel:
            watch = HealthStub(channel).Watch(HealthCheckRequest())
            states = aiter(watch)
            assert (await anext(states)).status == HealthCheckResponse.SERVING
            calls = begin(channel, tmp_path / "gate")
            await asyncio.to_thread(until, lambda: metric(server.url, "pumice_inflight_requests") == CALLS)
            server.process.send_signal(signal.SIGTERM)
            assert (await anext(states)).status == HealthCheckResponse.NOT_SERVING
            (tmp_path / "gate").touch()
            assert len(await asyncio.gather(*calls)) == CALLS

    asyncio.run(run())
    assert server.stop() == 0
