"""The faces of a process that serves, put together from the settings."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from pumice.config import Settings

if TYPE_CHECKING:
    import uvicorn

    from pumice.gateway.grpc import GrpcServer
    from pumice.gateway.http.budget import Budget
    from pumice.gateway.http.hot.limits import HttpLimits
    from pumice.service.access.access import Access
    from pumice.service.answers.log import AnswerLog
    from pumice.service.catalog import Catalog
    from pumice.service.inference import Inference, Observing
    from pumice.service.models import Models
    from pumice.service.shared_memory import Regions
    from pumice.service.store import Store
    from pumice.service.store.opened import OpenStore
    from pumice.service.tasks import Tasks


@dataclass(frozen=True, slots=True)
class Parts:
    """What the faces work with.

    Attributes:
        inference: The operation.
        tasks: Its asynchronous form.
        models: What loads and unloads.
        store: The model store.
        access: Who may do what.
        regions: Shared memory of callers; None: they may use none.
    """

    inference: Inference
    tasks: Tasks
    models: Models
    store: OpenStore
    access: Access
    regions: Regions | None = None


def http_server(settings: Settings, parts: Parts) -> uvicorn.Server:
    """Put the HTTP server together.

    Args:
        settings: All settings.
        parts: What it works with.
    """
    import uvicorn

    from pumice.gateway.http.app import HttpContext, http_app
    from pumice.gateway.http.cors import Cors
    from pumice.gateway.http.hot.exchange import Handler
    from pumice.gateway.http.hot.guard import Guard
    from pumice.gateway.http.hot.infer import SUFFIX, InferHandler
    from pumice.gateway.http.hot.protocol import hot_protocol
    from pumice.gateway.http.hot.route import HotRoute
    from pumice.service.store.upload_limits import UploadLimits

    limit = settings.max_body_bytes
    limits, budget = _limits(settings), _budget(-(-settings.max_inflight_bytes // settings.workers))
    cors = Cors(settings.cors_origins) if settings.cors_origins else None
    handler: Handler = InferHandler(parts.inference, limit, settings.max_json_bytes, regions=parts.regions)
    access = parts.access
    if access.doors is not None:
        handler = Guard(handler, access.doors)
    route = HotRoute(handler, SUFFIX, limits, budget, cors)
    route.by_certificate = access.by_certificate
    context = HttpContext(
        parts.inference,
        parts.tasks,
        parts.models,
        parts.store,
        max_body_bytes=limit,
        max_json_bytes=settings.max_json_bytes,
        budget=budget,
        cors=cors,
        access=access,
        regions=parts.regions,
        uploads=UploadLimits(
            most_bytes=settings.push_max_bytes,
            pending_bytes=settings.push_pending_bytes,
            keep_s=settings.push_keep,
            code=settings.push_code,
            folder=settings.push_folder,
        ),
    )
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


def _limits(settings: Settings) -> HttpLimits:
    """What a connection may take, of HTTP and of gRPC alike."""
    from pumice.gateway.http.hot.limits import HttpLimits

    return HttpLimits(
        max_body=settings.max_body_bytes,
        max_connections=-(-settings.max_connections // settings.workers),
        header_timeout=settings.header_timeout,
        body_timeout=settings.body_timeout,
        min_rate=settings.min_rate,
        idle_timeout=settings.idle_timeout,
        send_timeout=settings.send_timeout,
    )


@lru_cache(maxsize=1)
def _budget(limit: int) -> Budget:
    """The budget of this process: bodies of HTTP and messages of gRPC share it."""
    from pumice.gateway.http.budget import Budget

    return Budget(limit)


def url_of(settings: Settings, port: int) -> str:
    """Base of the HTTP addresses."""
    return f"{'https' if settings.tls_cert else 'http'}://{settings.host}:{port}"


@contextlib.asynccontextmanager
async def door(settings: Settings) -> AsyncIterator[Access]:
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


async def grpc_server(
    settings: Settings,
    inference: Inference,
    models: Models,
    access: Access,
    regions: Regions | None = None,
    *,
    shared: bool = False,
) -> GrpcServer | None:
    """Start the gRPC server, if there is to be one.

    Args:
        settings: All settings.
        inference: The operation.
        models: What loads and unloads.
        access: Who may do what.
        regions: Shared memory of callers; None: they may use none.
        shared: Other processes listen on the port too.

    Raises:
        BadSetting: The port cannot be had.
    """
    if settings.grpc_port < 0:
        return None
    # its import takes a while; in a thread, a replica that is ready meanwhile is heard
    await asyncio.to_thread(import_module, "pumice.gateway.grpc")
    from pumice.gateway.grpc import GrpcContext, GrpcOptions, start_grpc

    options = GrpcOptions(
        host=settings.host,
        port=settings.grpc_port,
        limits=_limits(settings),
        budget=_budget(-(-settings.max_inflight_bytes // settings.workers)),
        shared=shared,
    )
    return await start_grpc(GrpcContext(inference, models, access, regions), options)


def make_regions(settings: Settings) -> Regions | None:
    """The shared memory of callers; None if the operator has not allowed any.

    Raises:
        BadSetting: Anybody elsewhere could name memory of this machine.
    """
    if not settings.shared_memory:
        return None
    from pumice.domain.errors import BadSetting
    from pumice.service.access.binding import is_loopback
    from pumice.service.shared_memory import Regions

    asks = settings.auth != "none" or bool(settings.tls_client_ca)
    if not asks and not is_loopback(settings.host):
        raise BadSetting("shared_memory", "true, without authentication", "'host: 127.0.0.1', or '--auth keys'")
    return Regions(settings.max_body_bytes, settings.max_inflight_bytes)


@contextlib.asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[OpenStore]:
    """The model store, opened when it is first asked."""
    from pumice.service.store.opened import OpenStore

    def opened() -> Store:
        from pumice.service.store import Store  # SQLAlchemy: in the thread that opens it

        return Store(settings=settings)

    store = OpenStore(opened)
    try:
        yield store
    finally:
        await store.close()


@contextlib.asynccontextmanager
async def make_inference(
    settings: Settings, catalog: Catalog, observing: Observing | None = None
) -> AsyncIterator[Inference]:
    """The operation; one that notes who answered, if that is asked for."""
    from pumice.service.inference import Inference

    if settings.request_log == "none":
        yield Inference(catalog, observing)
        return
    from pumice.service.answers.noting import NotedInference, Noter

    def opened() -> AnswerLog:
        from pumice.db import Place
        from pumice.db.engine import open_database  # SQLAlchemy: in the thread that opens it
        from pumice.service.answers.log import AnswerLog

        return AnswerLog(open_database(Place(settings.home_path, settings.database)), settings.request_log_size)

    noter = Noter(opened)
    async with noter.writing():
        yield NotedInference(catalog, noter, observing)


def make_tasks(settings: Settings, inference: Inference) -> Tasks:
    """Put the asynchronous tasks together; of several processes each runs its part of them at once."""
    from pumice.gateway.http.seed import told_json
    from pumice.service.tasks import TaskOptions, Tasks

    options = TaskOptions(
        concurrency=-(-settings.task_concurrency // settings.workers),
        result_ttl=settings.result_ttl,
        max_tasks=settings.max_tasks,
        database=settings.database,
        lease=settings.task_lease,
        webhook_hosts=settings.webhook_hosts,
        webhook_secret=settings.webhook_secret,
        webhook_ca=settings.webhook_ca,
    )
    return Tasks(inference, settings.home_path, options, tell=told_json)


def stop_signals() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


def write_announcement(file: Path, settings: Settings, port: int, grpc_port: int | None) -> None:
    """Tell the addresses in a file; it is there at once, as a whole."""
    told = {
        "url": url_of(settings, port),
        "grpc": f"{settings.host}:{grpc_port}" if grpc_port else None,
        "pid": os.getpid(),
    }
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    temporary.write_text(json.dumps(told), encoding="utf-8")
    temporary.replace(file)


def freeze() -> None:
    """What is there now stays: the collector need not look at it again and again, and memory is used again."""
    from pumice.app.heap import keep_heap

    keep_heap()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
