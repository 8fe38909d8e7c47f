"""A server: starts replicas, puts the parts together, serves, and stops in order."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
import os
import signal
import time
from collections.abc import AsyncIterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from pumice.app.launcher import ReplicaLauncher
from pumice.config import Settings
from pumice.domain.errors import BadSetting
from pumice.engines.layout import expand_versions
from pumice.runtime.front.folder import remove_run_folder

if TYPE_CHECKING:
    import uvicorn

    from pumice.gateway.grpc import GrpcServer
    from pumice.service.access.access import Access
    from pumice.service.catalog import Catalog
    from pumice.service.inference import Inference
    from pumice.service.models import Models, ModelsOptions
    from pumice.service.tasks import Tasks

_log = logging.getLogger("pumice")


class Server:
    """A server of some models. Making one starts the replicas; they load while the rest is imported.

    Args:
        settings: All settings.
        environ: The environment that replicas get.

    Raises:
        SetupError: A model's source or settings cannot be used.
    """

    def __init__(self, settings: Settings, environ: dict[str, str]) -> None:
        self._settings = settings
        self._launcher = ReplicaLauncher(settings, environ)
        self._models = [settings.of_model(model) for model in settings.models]
        lazy = bool(settings.memory_budget or settings.max_loaded)
        try:
            self._running = [
                self._launcher.begin(version)
                for model in self._models
                if (model.preload if model.preload is not None else not lazy)
                for version in expand_versions(model)
            ]
        except BaseException:
            remove_run_folder()
            raise

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
        models = Models(catalog, self._launcher, self._models_options(), self._settings.of_model)
        try:
            for model in self._models:
                models.register(model, [served for served in self._running if served.name == model.name])
            await self._serve_faces(catalog, models, announce)
        finally:
            await models.stop()

    async def _serve_faces(self, catalog: Catalog, models: Models, announce: Path | None) -> None:
        from pumice.service.inference import Inference

        started = time.monotonic()
        settings = self._settings
        stop = _stop_signals()
        inference = Inference(catalog)
        tasks = self._tasks(inference)
        async with contextlib.AsyncExitStack() as stack:
            access = await stack.enter_async_context(_door(settings))
            context = (inference, tasks, models, access)
            port = await stack.enter_async_context(_serving(_http_server(settings, *context), settings))
            # a task may be accepted while the models load
            stack.push_async_callback(tasks.stop)
            stopping = asyncio.create_task(stop.wait())
            starting = asyncio.create_task(self._start_grpc(inference, access))
            ready = asyncio.create_task(self._launcher.until_ready())
            await asyncio.wait({ready, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                ready.cancel()
                starting.cancel()
                return
            await ready
            models.start()
            seconds = time.monotonic() - started
            _log.info("ready", extra={"url": _url(settings, port), "seconds": round(seconds, 3)})
            grpc = await starting
            if grpc is not None:
                stack.push_async_callback(grpc.stop, settings.drain_timeout)
            await tasks.start()
            if announce is not None:
                _announce(announce, settings, port, grpc.port if grpc else None)
            # what is there now stays: the collector need not look at it again and again
            gc.collect()
            gc.freeze()
            gc.set_threshold(50_000, 20, 50)
            await stopping
            _log.info("stopping")
            catalog.closing = True

    async def _start_grpc(self, inference: Inference, access: Access) -> GrpcServer | None:
        if self._settings.grpc_port < 0:
            return None
        # its import takes a while; in a thread, a replica that is ready meanwhile is heard
        await asyncio.to_thread(import_module, "pumice.gateway.grpc")
        from pumice.gateway.grpc import GrpcOptions, start_grpc

        settings = self._settings
        options = GrpcOptions(host=settings.host, port=settings.grpc_port, max_message_bytes=settings.max_body_bytes)
        return await start_grpc(inference, options, access)

    def _tasks(self, inference: Inference) -> Tasks:
        from pumice.gateway.http.seed import told_json
        from pumice.service.tasks import TaskOptions, Tasks

        settings = self._settings
        options = TaskOptions(
            concurrency=settings.task_concurrency,
            result_ttl=settings.result_ttl,
            max_tasks=settings.max_tasks,
            database=settings.database,
            lease=settings.task_lease,
            webhook_hosts=settings.webhook_hosts,
            webhook_secret=settings.webhook_secret,
        )
        return Tasks(inference, settings.home_path, options, tell=told_json)

    def _models_options(self) -> ModelsOptions:
        from pumice.service.models import ModelsOptions, roots_of

        settings = self._settings
        roots, modules = roots_of(self._models)
        return ModelsOptions(
            load_timeout=settings.load_timeout,
            max_queue=settings.max_queue,
            memory_budget=settings.memory_budget,
            max_loaded=settings.max_loaded,
            roots=(*roots, settings.home_path, *map(Path, settings.model_roots)),
            modules=modules,
            uploads=settings.home_path / "uploads",
            max_upload_bytes=settings.max_body_bytes,
        )


def _http_server(
    settings: Settings, inference: Inference, tasks: Tasks, models: Models, access: Access
) -> uvicorn.Server:
    import uvicorn

    from pumice.gateway.http.app import HttpContext, http_app
    from pumice.gateway.http.budget import Budget
    from pumice.gateway.http.cors import Cors
    from pumice.gateway.http.hot.exchange import Handler
    from pumice.gateway.http.hot.guard import Guard
    from pumice.gateway.http.hot.infer import SUFFIX, InferHandler
    from pumice.gateway.http.hot.limits import HttpLimits
    from pumice.gateway.http.hot.protocol import hot_protocol
    from pumice.gateway.http.hot.route import HotRoute

    limit = settings.max_body_bytes
    limits = HttpLimits(
        max_body=limit,
        max_connections=settings.max_connections,
        header_timeout=settings.header_timeout,
        body_timeout=settings.body_timeout,
        min_rate=settings.min_rate,
        idle_timeout=settings.idle_timeout,
        send_timeout=settings.send_timeout,
    )
    budget = Budget(settings.max_inflight_bytes)
    cors = Cors(settings.cors_origins) if settings.cors_origins else None
    handler: Handler = InferHandler(inference, limit)
    if access.doors is not None:
        handler = Guard(handler, access.doors)
    route = HotRoute(handler, SUFFIX, limits, budget, cors)
    route.by_certificate = access.by_certificate
    context = HttpContext(inference, tasks, models, max_body_bytes=limit, budget=budget, cors=cors, access=access)
    config = uvicorn.Config(
        http_app(context),
        host=settings.host,
        port=settings.port,
        http=hot_protocol(route),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=4096,
        timeout_graceful_shutdown=max(1, int(settings.drain_timeout)),
    )
    if access.certificates is not None:
        config.load()
        config.ssl = access.certificates.context
    return uvicorn.Server(config)


def _url(settings: Settings, port: int) -> str:
    return f"{'https' if settings.tls_cert else 'http'}://{settings.host}:{port}"


@contextlib.asynccontextmanager
async def _door(settings: Settings) -> AsyncIterator[Access]:
    """Know who may come in before the first one knocks."""
    from pumice.app.access import make_access

    access = make_access(settings)
    async with contextlib.AsyncExitStack() as stack:
        if access.certificates is not None:
            watching = asyncio.create_task(access.certificates.watch())
            stack.callback(watching.cancel)
        if access.doors is not None:
            stack.push_async_callback(access.doors.stop)
            await access.doors.start()
        yield access


def _stop_signals() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


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


def _announce(file: Path, settings: Settings, port: int, grpc_port: int | None) -> None:
    told = {
        "url": _url(settings, port),
        "grpc": f"{settings.host}:{grpc_port}" if grpc_port else None,
        "pid": os.getpid(),
    }
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    temporary.write_text(json.dumps(told), encoding="utf-8")
    temporary.replace(file)
