"""The command: finds or starts the server, runs the load, prints what was measured."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from pumice.cli.bench.batches import read_batches
from pumice.cli.bench.job import Load, Protocol, load_job
from pumice.cli.bench.report import Subject, report_of, show
from pumice.cli.inputs import read_input
from pumice.cli.output import print_json
from pumice.cli.own_server import OwnServer
from pumice.cli.servers import ApiKeyOption, UrlOption, connect, default_url, key_of, split_ref
from pumice.client.load import run_load
from pumice.config import load_settings
from pumice.domain.errors import BadSetting


def bench(  # noqa: PLR0913, PLR0917 - a command's options are its parameters
    target: Annotated[
        str,
        typer.Argument(
            metavar="NAME|SOURCE",
            help="A model of a running server, or a path or module:Class that is served for the measurement.",
        ),
    ],
    url: UrlOption = None,
    connections: Annotated[int, typer.Option("-c", "--connections", min=1, help="Callers at once.")] = 16,
    duration: Annotated[
        float, typer.Option("-d", "--duration", min=0.1, metavar="SECONDS", help="Measured time.")
    ] = 10.0,
    warmup: Annotated[float, typer.Option(min=0.0, metavar="SECONDS", help="Load before that.")] = 2.0,
    rows: Annotated[int, typer.Option("-n", "--rows", min=1, help="Rows of every request.")] = 1,
    free: Annotated[int, typer.Option(min=1, help="Size of free axes other than the first.")] = 16,
    protocol: Annotated[Protocol, typer.Option(help="How tensors travel.")] = "binary",
    input_: Annotated[
        str | None,
        typer.Option("--input", metavar="INPUT", help="What to send, as for predict. [random, to the signature]"),
    ] = None,
    timeout: Annotated[float, typer.Option(min=0.001, metavar="SECONDS", help="When a request has failed.")] = 30.0,
    pid: Annotated[int | None, typer.Option(help="Process of the running server, to measure its CPU time.")] = None,
    api_key: ApiKeyOption = None,
    replicas: Annotated[int | None, typer.Option(min=1, help="Replicas of a SOURCE.")] = None,
    threads: Annotated[int | None, typer.Option(min=0, help="Threads of a SOURCE's inference.")] = None,
    max_batch_size: Annotated[int | None, typer.Option(min=1, help="Most rows of a SOURCE's batch.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Measure how fast a model is served."""
    key = key_of(api_key)
    load = Load(connections, duration, warmup, rows, free, protocol, timeout, key)
    given = None if input_ is None else read_input(input_, sys.stdin.buffer)
    own = {"replicas": replicas, "threads": threads, "max-batch-size": max_batch_size}
    with _server(target, url, own, pid) as server, connect(server.url, timeout, key) as client:
        model, version = split_ref(server.model) if server.model else (client.models()[0].name, "")
        known = client.metadata(model, version=version)
        job = load_job(server.url, known, version, given, load, server.pid)
        before = read_batches(server.url, model, timeout, key)
        with _telling(f"measuring {model}: {warmup:g} s of warm-up, then {duration:g} s"):
            result = run_load(job)
        after = read_batches(server.url, model, timeout, key)
        mean = after.mean_since(before) if before and after else None
        report = report_of(result, load, Subject(model, version or (known.versions or [""])[-1], server.url), mean)
    if json:
        print_json(report)
    else:
        show(report, result)
    if report.failed or not report.requests:
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True)
class _Server:
    """A server to measure; no model: its only one; no pid: not known."""

    url: str
    model: str = ""
    pid: int | None = None


@contextlib.contextmanager
def _server(target: str, url: str | None, own: Mapping[str, int | None], pid: int | None) -> Iterator[_Server]:
    options = {f"--{name}": value for name, value in own.items() if value is not None}
    if url is not None or not _is_source(target):
        if options:
            raise BadSetting(next(iter(options)), f"with '{target}' of a running server", "only with a SOURCE")
        yield _Server(url or default_url(), target, pid)
        return
    if pid is not None:
        raise BadSetting("--pid", f"with the SOURCE '{target}'", "only with a model of a running server")
    # so that the server is stopped with us
    previous = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        words = [word for name, value in options.items() for word in (name, str(value))]
        listen = ("--host", "127.0.0.1", "--grpc-port", "-1")
        limit = load_settings({}).load_timeout
        with OwnServer(target, *words, *listen, name=target, start_limit=limit) as server:
            yield _Server(server.at.url, pid=server.at.pid)
    finally:
        signal.signal(signal.SIGTERM, previous)


def _is_source(target: str) -> bool:
    return "=" in target or ":" in target or Path(target).exists()


@contextlib.contextmanager
def _telling(what: str) -> Iterator[None]:
    """Show on standard error that something takes its time."""
    if not sys.stderr.isatty():
        sys.stderr.write(f"{what}\n")
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(what):
        yield
