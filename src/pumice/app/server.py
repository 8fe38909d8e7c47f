"""A server: starts replicas, puts the parts together, serves, and stops in order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from pumice.app.first import begin_first, models_options
from pumice.app.launcher import ReplicaLauncher
from pumice.config import Settings
from pumice.domain.errors import BadSetting
from pumice.runtime.front.folder import remove_run_folder
from pumice.service.sources import Sources

if TYPE_CHECKING:
    import uvicorn

    from pumice.service.catalog import Catalog
    from pumice.service.models import Models

_log = logging.getLogger("pumice")


class Server:
    """A server of some models. Making one starts the replicas; they load while the rest is imported.

    Args:
        settings: All settings.
        environ: The environment that replicas get.

    Raises:
        PumiceError: A model's source or settings cannot be used.
    """

    def __init__(self, settings: Settings, environ: dict[str, str]) -> None:
        self._settings = settings
        self._sources = Sources(settings)
        self._launcher = ReplicaLauncher(settings, environ, self._sources)
        self._declared, self._running = begin_first(settings, self._sources, self._launcher.begin)

    def run(self, announce: Path | None = None) -> None:
        """Serve until SIGTERM or SIGINT, then drain.

        Args:
            announce: File that is written (at once, as a whole) with the addresses when all models are ready.

        Raises:
            PumiceError: A model cannot be loaded.
        """
        import uvloop

        try:
            uvloop.run(self._main(announce))
        finally:
            remove_run_folder()

    async def _main(self, announce: Path | None) -> None:
        from pumice.service.catalog import Catalog
        from pumice.service.models import Models

        self._launcher.watch()
        catalog = Catalog()
        settings = self._settings
        options = models_options(settings, (model for model, _ in self._declared))
        models = Models(catalog, self._launcher, options, settings.of_model, self._sources)
        try:
            for model, versions in self._declared:
                models.register(model, versions, [served for served in self._running if served.name == model.name])
            await self._serve_faces(catalog, models, announce)
        finally:
            await models.stop()

    async def _serve_faces(self, catalog: Catalog, models: Models, announce: Path | None) -> None:
        from pumice.app.faces import (
            Parts,
            door,
            freeze,
            grpc_server,
            http_server,
            make_inference,
            make_regions,
            make_tasks,
            open_store,
            stop_signals,
            url_of,
            write_announcement,
        )

        started = time.monotonic()
        settings = self._settings
        stop = stop_signals()
        regions = make_regions(settings)
        async with contextlib.AsyncExitStack() as stack:
            inference = await stack.enter_async_context(make_inference(settings, catalog))
            tasks = make_tasks(settings, inference)
            if regions is not None:
                stack.callback(regions.close)
            access = await stack.enter_async_context(door(settings))
            store = await stack.enter_async_context(open_store(settings))
            parts = Parts(inference, tasks, models, store, access, regions)
            port = await stack.enter_async_context(_serving(http_server(settings, parts), settings))
            # a task may be accepted while the models load
            stack.push_async_callback(tasks.stop)
            stopping = asyncio.create_task(stop.wait())
            starting = asyncio.create_task(grpc_server(settings, inference, models, access, regions))
            ready = asyncio.create_task(self._launcher.until_ready())
            await asyncio.wait({ready, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                ready.cancel()
                starting.cancel()
                return
            await ready
            models.start()
            seconds = time.monotonic() - started
            _log.info("ready", extra={"url": url_of(settings, port), "seconds": round(seconds, 3)})
            grpc = await starting
            if grpc is not None:
                stack.push_async_callback(grpc.stop, settings.drain_timeout)
            await tasks.start()
            if announce is not None:
                write_announcement(announce, settings, port, grpc.port if grpc else None)
            freeze()
            await stopping
            _log.info("stopping")
            catalog.closing = True


@contextlib.asynccontextmanager
async def _serving(server: uvicorn.Server, settings: Settings) -> AsyncIterator[int]:
    """Listen at once (a model that loads answers 503), and drain at the end."""
    try:
        sock = server.config.bind_socket()
    except SystemExit:
        raise BadSetting("port", str(settings.port), f"a port on {settings.host} that is free; 0 takes any") from None
    serving = asyncio.create_task(server._serve([sock]))  # noqa: SLF001 - serve() would take the signals for itself
    try:
        yield sock.getsockname()[1]
    finally:
        server.should_exit = True
        await serving
