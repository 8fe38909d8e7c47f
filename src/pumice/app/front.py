"""A front process: its faces over the parent's replicas. Started by the parent, and ends with it."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import os
import signal
import socket
import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from pumice.app.channel import Channel, ChannelLost
from pumice.app.doorway import Entrance
from pumice.app.faces import Parts, door, freeze, grpc_server, http_server, make_inference, make_tasks, open_store
from pumice.app.messages import (
    Attached,
    Begin,
    End,
    Failed,
    Flip,
    News,
    Observe,
    Observed,
    Open,
    Ping,
    Report,
    Retire,
    Serve,
    Stop,
    ToFront,
)
from pumice.app.mirror import Mirror
from pumice.config import Settings
from pumice.domain.errors import ModelNotReady, PumiceError
from pumice.observe.logs import set_up_logs
from pumice.observe.observed import Observation
from pumice.observe.report import sum_up
from pumice.service.catalog import Catalog

if TYPE_CHECKING:
    import uvicorn

    from pumice.gateway.grpc import GrpcServer
    from pumice.service.tasks import Tasks

_log = logging.getLogger("pumice.front")

_PR_SET_PDEATHSIG = 1
_OBSERVE_LIMIT = 5.0
"""Longest wait for what all processes counted (s)."""


class Front:
    """One front.

    Args:
        handoff: Connections come over this socket.
    """

    def __init__(self, handoff: socket.socket) -> None:
        self._handoff = handoff
        self._channel: Channel[ToFront] = Channel(ToFront, self._told, self._asked, self._orphaned)
        self._begun: asyncio.Future[Begin] = asyncio.get_running_loop().create_future()
        self._stopping = asyncio.Event()
        self._finished = False
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._introduced = asyncio.Event()
        self._settings = Settings()
        self._connecting: set[asyncio.Task[object]] = set()
        self.catalog = Catalog()
        self.models = Mirror(self.catalog, self._channel)

    async def run(self, control: socket.socket) -> None:
        """Serve until the parent says stop."""
        await self._channel.connect(control)
        begin = await self._begun
        self._settings = begin.settings
        set_up_logs(self._settings.log_level, self._settings.log_format, front=begin.number)
        try:
            await self._serve()
        except PumiceError as error:
            self._channel.tell(Failed(error.message))
        finally:
            self._finished = True
            self._channel.close()

    async def observe(self) -> Observation:
        """What all processes of the server counted.

        Raises:
            ModelNotReady: The parent does not answer now.
        """
        try:
            observed = await self._channel.ask(Observe(), Observed, _OBSERVE_LIMIT)
        except (ChannelLost, TimeoutError):
            raise ModelNotReady("*", "the server's parent process does not answer") from None
        return Observation(sum_up(observed.versions), observed.processes)

    async def _serve(self) -> None:
        settings = self._settings
        async with (
            door(settings) as access,
            open_store(settings) as store,
            make_inference(settings, self.catalog, self) as inference,
        ):
            tasks = make_tasks(settings, inference)
            http = http_server(settings, Parts(inference, tasks, self.models, store, access))
            serving = await _start(http)
            entrance = Entrance(self._handoff, lambda connection: self._take(http, connection))
            await self._introduced.wait()
            grpc = await grpc_server(settings, inference, self.models, access, shared=True)
            await tasks.start()
            entrance.open()
            self._opened.set_result(None)
            freeze()
            await self._stopping.wait()
            self.catalog.closing = True
            entrance.close()
            await self._drain(http, serving, grpc, tasks)

    async def _drain(
        self, http: uvicorn.Server, serving: asyncio.Task[None], grpc: GrpcServer | None, tasks: Tasks
    ) -> None:
        await asyncio.gather(*self._connecting, return_exceptions=True)
        if grpc is not None:
            await grpc.stop(self._settings.drain_timeout)
        await tasks.stop()
        http.should_exit = True
        await serving
        await http.shutdown([])
        await self.models.stop()

    def _take(self, http: uvicorn.Server, connection: socket.socket) -> None:
        config, loop = http.config, asyncio.get_running_loop()

        def protocol() -> asyncio.Protocol:
            # as uvicorn makes it for connections that it accepts itself
            made: asyncio.Protocol = config.http_protocol_class(  # type: ignore[call-arg]
                config=config, server_state=http.server_state, app_state={}, _loop=loop
            )
            return made

        self._spawn(loop.connect_accepted_socket(protocol, connection, ssl=config.ssl))

    # -- what the parent says

    def _told(self, message: ToFront) -> None:
        models = self.models
        if isinstance(message, Begin):
            self._settings = message.settings
            models.begin(message.settings)
            self._begun.set_result(message)
        elif isinstance(message, Serve):
            models.serve(message)
        elif isinstance(message, News):
            models.news(message)
        elif isinstance(message, Flip):
            models.flip(message)
        elif isinstance(message, End):
            models.end(message)
        elif isinstance(message, Stop):
            _log.info("stopping")
            self._stopping.set()

    async def _asked(self, message: ToFront) -> object:
        if isinstance(message, Open):
            self._introduced.set()
            await asyncio.shield(self._opened)
        elif isinstance(message, Attached):
            await self.models.attached(message.keys)
        elif isinstance(message, Retire):
            await self.models.retire(message.key)
        elif isinstance(message, Report):
            return self.models.reports()
        elif not isinstance(message, Ping):
            raise PumiceError
        return True

    def _orphaned(self) -> None:
        if not self._finished:
            os._exit(1)

    def _spawn(self, work: Coroutine[Any, Any, object]) -> None:
        task = asyncio.get_running_loop().create_task(_quietly(work))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)


async def _start(http: uvicorn.Server) -> asyncio.Task[None]:
    """Start an HTTP server that listens nowhere: it is given its connections."""
    if not http.config.loaded:
        http.config.load()
    http.lifespan = http.config.lifespan_class(http.config)
    await http.startup([])
    return asyncio.create_task(http.main_loop())


async def _quietly(work: Coroutine[Any, Any, object]) -> None:
    with contextlib.suppress(OSError):  # the caller has gone, or its TLS handshake failed
        await work


def main() -> None:
    """Run a front on the sockets that the command line names."""
    import uvloop

    # the parent drains; a front that ended first would take requests with it
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    control, handoff = (socket.socket(fileno=int(word)) for word in sys.argv[1:3])

    async def run() -> None:
        await Front(handoff).run(control)

    uvloop.run(run())


if __name__ == "__main__":
    main()
