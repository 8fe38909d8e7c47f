"""`grpc.health.v1` with its own client: it tells what can answer now, and tells it again when that changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from pumice.gateway.grpc import GrpcServer
from tests.gateway.grpc.local import LocalVersion, serving
from tests.support.models import Doubler, Shout

SERVING = HealthCheckResponse.SERVING
NOT_SERVING = HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = HealthCheckResponse.SERVICE_UNKNOWN


@asynccontextmanager
async def health(*versions: LocalVersion) -> AsyncIterator[tuple[HealthStub, GrpcServer]]:
    async with serving(*versions) as server, grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield HealthStub(channel), server


def test_check_follows_the_models() -> None:
    async def run() -> None:
        doubler, shout = LocalVersion("doubler", Doubler()), LocalVersion("shout", Shout())

        async def states() -> list[int]:
            names = ["", "inference.GRPCInferenceService", "ModelService", "doubler", "shout"]
            return [(await stub.Check(HealthCheckRequest(service=name))).status for name in names]

        async with health(doubler, shout) as (stub, _):
            assert await states() == [SERVING] * 5
            shout.up = False
            assert await states() == [NOT_SERVING] * 3 + [SERVING, NOT_SERVING]
            shout.up = True
            assert await states() == [SERVING] * 5

    asyncio.run(run())


def test_check_of_an_unknown_service_is_not_found() -> None:
    async def run() -> None:
        async with health(LocalVersion("doubler", Doubler())) as (stub, _):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.Check(HealthCheckRequest(service="nobody"))
            assert caught.value.code() is grpc.StatusCode.NOT_FOUND

    asyncio.run(run())


def test_watch_tells_every_change_and_ends_when_the_server_stops() -> None:
    async def run() -> None:
        doubler = LocalVersion("doubler", Doubler())
        async with health(doubler) as (stub, server):
            stream = stub.Watch(HealthCheckRequest(service="doubler"))
            states = aiter(stream)
            assert (await anext(states)).status == SERVING
            doubler.up = False
            assert (await anext(states)).status == NOT_SERVING
            doubler.up = True
            assert (await anext(states)).status == SERVING
            # an open stream does not hold the server up
            async with asyncio.timeout(20):
                await server.stop(60)
            assert (await anext(states)).status == NOT_SERVING
            with pytest.raises(StopAsyncIteration):
                await anext(states)
            assert await stream.code() is grpc.StatusCode.OK

    asyncio.run(run())


def test_watch_of_an_unknown_service_says_so_and_goes_on() -> None:
    async def run() -> None:
        async with health(LocalVersion("doubler", Doubler())) as (stub, _):
            stream = stub.Watch(HealthCheckRequest(service="nobody"))
            assert (await anext(aiter(stream))).status == SERVICE_UNKNOWN
            assert not stream.done()
            stream.cancel()

    asyncio.run(run())
