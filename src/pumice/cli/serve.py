"""``pumice serve`` as its users see it; what it does is in `pumice.cli.serving`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pumice.cli.serving import Wish, run_server


def serve(  # noqa: PLR0913, PLR0917 - a command's options are its parameters
    sources: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME=]SOURCE…", help="Models: a path, or module:Class for a Python model."),
    ] = None,
    file: Annotated[Path | None, typer.Option("-f", "--file", help="YAML file of settings.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on. [127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Port of HTTP; 0: any free one. [8000]")] = None,
    grpc_port: Annotated[int | None, typer.Option(help="Port of gRPC; 0: any free one, -1: none. [8001]")] = None,
    workers: Annotated[int | None, typer.Option(help="Front processes that share the ports. [1]")] = None,
    replicas: Annotated[int | None, typer.Option(help="Worker processes per model. [1]")] = None,
    threads: Annotated[int | None, typer.Option(help="Threads of one inference. [cores / replicas]")] = None,
    provider: Annotated[
        str | None, typer.Option(help="auto, cpu, cuda, tensorrt, openvino, coreml or directml. [auto]")
    ] = None,
    max_batch_size: Annotated[int | None, typer.Option(help="Most rows of a batch. [32]")] = None,
    max_delay_ms: Annotated[float | None, typer.Option(help="Longest wait for a fuller batch, in ms. [0]")] = None,
    timeout: Annotated[float | None, typer.Option(help="Longest one call of a model may take, in s. [30]")] = None,
    cache_size: Annotated[str | None, typer.Option(help="Size of the response cache, in bytes; 0: off. [0]")] = None,
    memory_budget: Annotated[
        str | None, typer.Option(help="Memory for all replicas, in bytes or as 8GiB; idle models leave it. [no limit]")
    ] = None,
    auth: Annotated[str | None, typer.Option(help="How callers are known: none, keys or oidc. [none]")] = None,
    tls_cert: Annotated[str | None, typer.Option(help="Certificate of the server, in PEM.")] = None,
    tls_key: Annotated[str | None, typer.Option(help="Its private key, in PEM.")] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Listen beyond this machine without asking callers who they are.")
    ] = False,
    home: Annotated[str | None, typer.Option(help="Folder of the database and of all that lasts. [~/.pumice]")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error. [info]")] = None,
    log_format: Annotated[str | None, typer.Option(help="auto, text or json. [auto]")] = None,
    announce: Annotated[
        Path | None, typer.Option(help="Write the addresses to this file (JSON) when all models are ready.")
    ] = None,
) -> None:
    """Serve models over REST and gRPC until SIGTERM or Ctrl-C."""
    given: dict[str, str | float | None] = {
        "host": host,
        "port": port,
        "grpc_port": grpc_port,
        "workers": workers,
        "replicas": replicas,
        "threads": threads,
        "provider": provider,
        "max_batch_size": max_batch_size,
        "max_delay_ms": max_delay_ms,
        "timeout": timeout,
        "cache_size": cache_size,
        "auth": auth,
        "tls_cert": tls_cert,
        "tls_key": tls_key,
        "insecure": insecure or None,
        "memory_budget": memory_budget,
        "home": home,
        "log_level": log_level,
        "log_format": log_format,
    }
    run_server(Wish(given, sources or [], file, announce))
