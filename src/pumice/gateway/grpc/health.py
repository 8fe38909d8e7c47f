"""`grpc.health.v1.Health`: what can answer at this moment, by the catalogue and not by a copy of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress

from grpc_health.v1 import health_pb2 as pb

from pumice.domain.errors import ModelNotFound
from pumice.gateway.grpc import open_inference, text
from pumice.gateway.grpc.calls import Call
from pumice.gateway.grpc.methods import Method, Methods, named, unary
from pumice.protocol.oip.grpc_codec import parse_message
from pumice.service.catalog import Catalog

SERVICE = "grpc.health.v1.Health"

LOOK_EVERY = 0.1
"""How often a watched service is looked at (s)."""

_SERVING = pb.HealthCheckResponse.SERVING
_NOT_SERVING = pb.HealthCheckResponse.NOT_SERVING
_UNKNOWN = pb.HealthCheckResponse.SERVICE_UNKNOWN
_WHOLE_SERVER = frozenset({"", open_inference.SERVICE, text.SERVICE})


class Health:
    """The methods of the service. A service is one of the server's own, the empty name (all), or a model's name.

    Args:
        catalog: What is served.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._stopping = asyncio.Event()

    def methods(self) -> Methods:
        """Give the service to a server."""
        return named(SERVICE, {"Check": unary(self.check), "Watch": Method(stream=self.watch)})

    def stop(self) -> None:
        """Answer NOT_SERVING from now on, and end the streams."""
        self._stopping.set()

    async def check(self, body: bytes, _call: Call) -> bytes:
        """The state of one service.

        Raises:
            ModelNotFound: There is no such service.
        """
        service = parse_message(pb.HealthCheckRequest, body).service
        status = self._status(service)
        if status == _UNKNOWN:
            raise ModelNotFound(service, known=tuple(self._catalog.names()))
        answer: bytes = pb.HealthCheckResponse(status=status).SerializeToString()
        return answer

    async def watch(self, requests: AsyncIterator[bytes], call: Call) -> AsyncGenerator[bytes, None]:
        """The state of one service, and again each time that it has changed."""
        del call
        service = parse_message(pb.HealthCheckRequest, await anext(requests, b"")).service
        told = None
        while True:
            stopping = self._stopping.is_set()
            status = self._status(service)
            if status != told:
                told = status
                yield pb.HealthCheckResponse(status=status).SerializeToString()
            if stopping:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY):
                    await self._stopping.wait()

    def _status(self, service: str) -> pb.HealthCheckResponse.ServingStatus:
        if service in _WHOLE_SERVER:
            ready = self._catalog.ready
        elif service in self._catalog.names():
            ready = self._catalog.find(service).ready
        else:
            return _UNKNOWN
        return _SERVING if ready and not self._stopping.is_set() else _NOT_SERVING
