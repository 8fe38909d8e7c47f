"""The gRPC server, in the running event loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import grpc

from pumice.domain.errors import BadSetting
from pumice.gateway.grpc import health, open_inference, reflection, text
from pumice.gateway.grpc.context import GrpcContext
from pumice.gateway.grpc.guard import Guarded
from pumice.service.access.tls import Certificates

_LIMITS = (
    ("grpc.max_concurrent_streams", 1024),  # calls of one connection at once; more wait at the caller
    ("grpc.max_metadata_size", 16 * 1024),
    ("grpc.absolute_max_metadata_size", 64 * 1024),
    # who pings more often than this is cut off; gRPC's own limit of 5 min cuts off Triton's clients
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    # a caller that does not answer a ping is gone
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
)
"""Limits of connections, in gRPC's words."""


@dataclass(frozen=True, slots=True)
class GrpcOptions:
    """How the server listens.

    Attributes:
        host: Address to listen on.
        port: Port; 0: any free one.
        max_message_bytes: Largest message of a caller (bytes).
        shared: Other processes of the server listen on the port too; the system gives each connection to one of them.
    """

    host: str = "127.0.0.1"
    port: int = 8001
    max_message_bytes: int = 64 * 1024 * 1024
    shared: bool = False


class GrpcServer:
    """A server that answers. `start_grpc` makes it.

    Args:
        server: gRPC's own.
        checks: Its health service.
        port: The port that it listens on.

    Attributes:
        port: The port that it listens on.
    """

    def __init__(self, server: grpc.aio.Server, checks: health.Health, port: int) -> None:
        self._server = server
        self._health = checks
        self.port = port

    async def stop(self, grace: float) -> None:
        """Take no new calls and let those that run end.

        Args:
            grace: Longest wait for them (s); what still runs then is cancelled.
        """
        self._health.stop()
        await self._server.stop(grace)


async def start_grpc(context: GrpcContext, options: GrpcOptions) -> GrpcServer:
    """Start to answer.

    Args:
        context: What the methods work with.
        options: How to listen.

    Raises:
        BadSetting: The port cannot be had.
    """
    checks = health.Health(context.inference.catalog)
    access = context.access
    server = grpc.aio.server(
        handlers=[Guarded(service, access) for service in all_handlers(context, checks)],
        options=[
            ("grpc.max_receive_message_length", options.max_message_bytes),
            # unless it is shared, a second server on the same port would take half of the calls
            ("grpc.so_reuseport", int(options.shared)),
            *_LIMITS,
        ],
    )
    host = f"[{options.host}]" if ":" in options.host else options.host
    try:
        port = _listen(server, f"{host}:{options.port}", access.certificates)
    except RuntimeError:
        allowed = f"a port on {options.host} that is free; 0 takes any"
        raise BadSetting("grpc_port", str(options.port), allowed) from None
    await server.start()
    return GrpcServer(server, checks, port)


def _listen(server: grpc.aio.Server, address: str, certificates: Certificates | None) -> int:
    if certificates is None:
        return server.add_insecure_port(address)

    def newest() -> grpc.ServerCertificateConfiguration:
        pair = certificates.current
        return grpc.ssl_server_certificate_configuration([(pair.key, pair.cert)], pair.client_ca)

    # asked at every handshake
    credentials = grpc.dynamic_ssl_server_credentials(newest(), newest, certificates.asks_clients)
    return server.add_secure_port(address, credentials)


def all_handlers(context: GrpcContext, checks: health.Health) -> list[grpc.GenericRpcHandler[Any, Any]]:
    """List every service; what its methods ask of a caller is in `pumice.gateway.grpc.verbs`.

    Generic handlers only: gRPC waits on one future for each registered method, at every call.

    Args:
        context: What the methods work with.
        checks: The health service.
    """
    return [
        open_inference.OpenInference(context).handler(),
        text.TextService(context.inference).handler(),
        checks.handler(),
        *reflection.handlers((open_inference.SERVICE, text.SERVICE, health.SERVICE)),
    ]
