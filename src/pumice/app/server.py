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

from pumice.config import ModelSettings, Settings
from pumice.domain.errors import BadSetting
from pumice.engines.source import resolve_source
from pumice.protocol.frames import WorkerSpec
from pumice.runtime.front.fleet import Fleet
from pumice.runtime.front.folder import remove_run_folder
from pumice.runtime.front.process import WorkerProcess
from pumice.runtime.front.pulse import Pulse
from pumice.runtime.front.version import ServedVersion
from pumice.runtime.worker.sandbox import MEASURES, offered

if TYPE_CHECKING:
    import uvicorn

    from pumice.gateway.grpc import GrpcServer
    from pumice.service.inference import Inference
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
        self._environ = environ
        self._pulse = Pulse()
        self.versions: list[ServedVersion] = []
        self._fleets: list[Fleet] = []
        try:
            for model in settings.models:
                self._serve(settings.of_model(model))
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
        for served, fleet in zip(self.versions, self._fleets, strict=True):
            served.start()
            fleet.start(served.stats, self._pulse)
        try:
            await self._serve_faces(announce)
        finally:
            await asyncio.gather(*(served.stop() for served in self.versions))
            await asyncio.gather(*(fleet.stop() for fleet in self._fleets))

    async def _serve_faces(self, announce: Path | None) -> None:
        from pumice.service.catalog import Catalog
        from pumice.service.inference import Inference

        started = time.monotonic()
        settings = self._settings
        stop = _stop_signals()
        catalog = Catalog(self.versions)
        inference = Inference(catalog)
        tasks = self._tasks(inference)
        http = _http_server(settings, inference, tasks)
        async with _serving(http, settings) as port, contextlib.AsyncExitStack() as stack:
            # a task may be accepted while the models load
            stack.push_async_callback(tasks.stop)
            stopping = asyncio.create_task(stop.wait())
            starting = asyncio.create_task(self._start_grpc(inference))
            ready = asyncio.create_task(self._until_ready())
            await asyncio.wait({ready, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                ready.cancel()
                starting.cancel()
                return
            await ready
            seconds = time.monotonic() - started
            _log.info("ready", extra={"url": f"http://{settings.host}:{port}", "seconds": round(seconds, 3)})
            grpc = await starting
            if grpc is not None:
                stack.push_async_callback(grpc.stop, settings.drain_timeout)
            await tasks.start()
            if announce is not None:
                _announce(announce, settings.host, port, grpc.port if grpc else None)
            # what is there now stays: the collector need not look at it again and again
            gc.collect()
            gc.freeze()
            gc.set_threshold(50_000, 20, 50)
            await stopping
            _log.info("stopping")
            catalog.closing = True

    async def _until_ready(self) -> None:
        await asyncio.gather(*(fleet.until_ready() for fleet in self._fleets))
        await asyncio.gather(*(served.until_ready() for served in self.versions))

    async def _start_grpc(self, inference: Inference) -> GrpcServer | None:
        if self._settings.grpc_port < 0:
            return None
        # its import takes a while; in a thread, a replica that is ready meanwhile is heard
        await asyncio.to_thread(import_module, "pumice.gateway.grpc")
        from pumice.gateway.grpc import GrpcOptions, start_grpc

        settings = self._settings
        options = GrpcOptions(host=settings.host, port=settings.grpc_port, max_message_bytes=settings.max_body_bytes)
        return await start_grpc(inference, options)

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

    def _serve(self, model: ModelSettings) -> None:
        path, manifest = resolve_source(model.source, model.manifest)
        assert model.replicas is not None and model.provider is not None  # noqa: S101, PT018 - filled by of_model
        threads = model.threads or max(1, _cores() // model.replicas)

        if model.sandbox == "required":
            _demand_sandbox(model.name)

        def spawn(number: int) -> WorkerProcess:
            del number  # all are alike
            spec = WorkerSpec(
                name=model.name,
                version=model.version,
                source=model.source,
                path=str(path) if path else "",
                manifest=manifest,
                threads=threads,
                provider=model.provider or "auto",
                device=model.device,
                confined=model.sandbox != "off",
                network=model.network,
                hidden=(str(self._settings.home_path),),
                memory_limit=model.memory_limit or 0,
                trust=model.trust,
            )
            return WorkerProcess(spec, self._environ)

        settings = self._settings
        served = ServedVersion(model, self._pulse, max_queue=settings.max_queue, cache_ttl=settings.cache_ttl)
        name = f"{served.name}/{served.version}"
        self._fleets.append(Fleet(name, model.replicas, spawn, served.told, settings.load_timeout))
        self.versions.append(served)


def _demand_sandbox(model: str) -> None:
    """Refuse to serve a model where the system does not enforce all of the sandbox.

    Raises:
        BadSetting: Something is missing here.
    """
    missing = [measure.by for measure in MEASURES if not offered()[measure.name]]
    if missing:
        raise BadSetting(f"model '{model}': 'sandbox'", "'required'", f"'auto' here; missing: {', '.join(missing)}")


def _http_server(settings: Settings, inference: Inference, tasks: Tasks) -> uvicorn.Server:
    import uvicorn

    from pumice.gateway.http.app import HttpContext, http_app
    from pumice.gateway.http.budget import Budget
    from pumice.gateway.http.cors import Cors
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
    route = HotRoute(InferHandler(inference, limit), SUFFIX, limits, budget, cors)
    context = HttpContext(inference=inference, tasks=tasks, max_body_bytes=limit, budget=budget, cors=cors)
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
    return uvicorn.Server(config)


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


def _announce(file: Path, host: str, port: int, grpc_port: int | None) -> None:
    told = {
        "url": f"http://{host}:{port}",
        "grpc": f"{host}:{grpc_port}" if grpc_port else None,
        "pid": os.getpid(),
    }
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    temporary.write_text(json.dumps(told), encoding="utf-8")
    temporary.replace(file)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
