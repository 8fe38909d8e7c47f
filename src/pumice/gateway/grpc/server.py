"""The gRPC server, in the running event loop."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass, field

from pumice.domain.errors import BadSetting
from pumice.gateway.grpc import health, open_inference, reflection, text
from pumice.gateway.grpc.common import Common
from pumice.gateway.grpc.connection import Connection
from pumice.gateway.grpc.context import GrpcContext
from pumice.gateway.grpc.methods import Methods
from pumice.gateway.http.budget import Budget
from pumice.gateway.http.hot.limits import LINGER_S, HttpLimits

_BACKLOG = 4096
_LOOK_S = 0.02
"""How often it is looked whether all connections are closed, when the server stops (s)."""


@dataclass(frozen=True, slots=True)
class GrpcOptions:
    """How the server listens.

    Attributes:
        host: Address to listen on.
        port: Port; 0: any free one.
        limits: What connections may take; bodies are messages.
        budget: What all bodies may take together, those of HTTP included.
        shared: Other processes of the server listen on the port too; the system gives each connection to one of them.
    """

    host: str = "127.0.0.1"
    port: int = 8001
    limits: HttpLimits = field(default_factory=HttpLimits)
    budget: Budget = field(default_factory=lambda: Budget(1024 * 1024 * 1024))
    shared: bool = False


class GrpcServer:
    """A server that answers. `start_grpc` makes it.

    Args:
        listener: Accepts connections.
        common: What they share.
        checks: The health service.
        port: The port that it listens on.

    Attributes:
        port: The port that it listens on.
    """

    def __init__(self, listener: asyncio.Server, common: Common, checks: health.Health, port: int) -> None:
        self._listener = listener
        self._common = common
        self._health = checks
        self.port = port

    async def stop(self, grace: float) -> None:
        """Take no new calls and let those that run end.

        Args:
            grace: Longest wait for them (s); what still runs then is cancelled.
        """
        self._health.stop()
        self._listener.close()
        open_now = self._common.connections
        for connection in list(open_now):
            connection.leave()
        await _until_closed(open_now, grace)
        for connection in list(open_now):
            connection.cut()
        await _until_closed(open_now, LINGER_S + _LOOK_S)


async def _until_closed(connections: set[Connection], limit: float) -> None:
    for _ in range(int(limit / _LOOK_S) + 1):
        if not connections:
            return
        await asyncio.sleep(_LOOK_S)


async def start_grpc(context: GrpcContext, options: GrpcOptions) -> GrpcServer:
    """Start to answer.

    Args:
        context: What the methods work with.
        options: How to listen.

    Raises:
        BadSetting: The port cannot be had.
    """
    checks = health.Health(context.inference.catalog)
    common = Common(all_methods(context, checks), context.access, options.limits, options.budget)
    sock = _bound(options)
    certificates = context.access.certificates
    listener = await asyncio.get_running_loop().create_server(
        lambda: Connection(common),
        sock=sock,
        backlog=_BACKLOG,
        ssl=None if certificates is None else certificates.grpc_context,
        ssl_handshake_timeout=None if certificates is None else options.limits.header_timeout,
    )
    return GrpcServer(listener, common, checks, sock.getsockname()[1])


def _bound(options: GrpcOptions) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            options.host, options.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if options.shared:
                # only then: else a second server on the same port would take half of the calls
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            sock.bind(address)
        except OSError:
            sock.close()
            raise
    except OSError:
        allowed = f"a port on {options.host} that is free; 0 takes any"
        raise BadSetting("grpc_port", str(options.port), allowed) from None
    sock.setblocking(False)
    return sock


def all_methods(context: GrpcContext, checks: health.Health) -> Methods:
    """List every method; what they ask of a caller is in `pumice.gateway.grpc.verbs`.

    Args:
        context: What the methods work with.
        checks: The health service.
    """
    return {
        **open_inference.OpenInference(context).methods(),
        **text.TextService(context.inference).methods(),
        **checks.methods(),
        **reflection.Reflection((open_inference.SERVICE, text.SERVICE, health.SERVICE)).methods(),
    }
