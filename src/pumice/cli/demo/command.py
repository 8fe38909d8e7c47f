"""``pumice demo``: the whole way of a model, on the bundled one."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Self

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from pumice.cli.demo import show, traffic
from pumice.cli.demo.optimizing import Lightened, home_of, lighten
from pumice.cli.optimize.live import live_race
from pumice.cli.optimize.table import frontier_table
from pumice.cli.output import print_json
from pumice.cli.own_server import OwnServer
from pumice.domain.errors import ModelFailed

_PHASES = (traffic.rest_json, traffic.rest_binary, traffic.grpc, traffic.tasks)


def demo(
    serve: Annotated[bool, typer.Option("--serve", help="Leave the server up, and say what to try next.")] = False,
    port: Annotated[int, typer.Option(help="Port of HTTP with --serve; 0: any free one.")] = 8000,
    grpc_port: Annotated[int, typer.Option(help="Port of gRPC with --serve; 0: any free one.")] = 8001,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Show the whole way of a model on the bundled one: optimize, certify, store, serve, load, kill a replica."""
    console = Console(highlight=False, stderr=as_json)
    with tempfile.TemporaryDirectory(prefix="pumice-demo-") as place:
        folder = Path(place)
        with live_race() as watch:
            done = lighten(folder, watch)
        if not as_json:
            console.print(frontier_table(done.found.report))
            console.print(f"[bold]{show.verdict(done)}[/bold]\n")
        phases = _serve_and_send(done, folder, console)
        if as_json:
            print_json(_results(done, phases))
        else:
            _show_phases(console, done, phases)
        failed = sum(phase.failed for phase in phases)
        if failed:
            raise ModelFailed(traffic.MODEL, f"{failed} requests were not answered rightly")
        if serve:
            _stay(done, folder, console, port, grpc_port)


def _serve_and_send(done: Lightened, folder: Path, console: Console) -> list[traffic.Phase]:
    phases: list[traffic.Phase] = []
    with _Steps(console) as steps:
        progress = steps.step("Start two replicas", 1)
        with _server(done, folder, "--port", "0", "--grpc-port", "0") as server:
            progress(1)
            progress = steps.step("Send requests", len(_PHASES))
            for phase in _PHASES:
                phases.append(phase(server, done.texts))
                progress(1)
    return phases


def _server(done: Lightened, folder: Path, *ports: str) -> OwnServer:
    home = str(home_of(folder))
    return OwnServer(done.source, "--replicas", "2", "--threads", "1", "--home", home, *ports, name="the demo's server")


def _show_phases(console: Console, done: Lightened, phases: list[traffic.Phase]) -> None:
    console.print(show.traffic_table(phases, done.source))
    for phase in phases:
        if phase.killed:
            told = f"Replica {phase.killed} was killed (SIGKILL) during '{phase.name}'"
            console.print(f"{told}; its requests were run again on the other one: {phase.failed} failed.")


def _results(done: Lightened, phases: list[traffic.Phase]) -> dict[str, object]:
    return {
        "report": msgspec.to_builtins(done.found.report),
        "served": done.ref,
        "traffic": [asdict(phase) | {"per_second": phase.per_second} for phase in phases],
        "failed": sum(phase.failed for phase in phases),
    }


def _stay(done: Lightened, folder: Path, console: Console, port: int, grpc_port: int) -> None:
    with _server(done, folder, "--port", str(port), "--grpc-port", str(grpc_port)) as server:
        url = server.at.url
        console.print(f"\nThe server stays up at [bold]{url}[/bold] (gRPC: {server.at.grpc}). Try:\n")
        console.print(
            f"  pumice predict {traffic.MODEL} 这家酒店很干净 --url {url}\n"
            f"""  curl {url}/v1/models/{traffic.MODEL}:predict -d '{{"instances": ["这家酒店很干净"]}}'\n"""
            f"""  curl {url}/predict -d '{{"text": "这家酒店很干净"}}'\n"""
            f"  pumice bench {traffic.MODEL} --url {url}\n"
            f"  open {url}/docs\n",
            soft_wrap=True,
        )
        console.print("Ctrl-C ends it.")
        try:
            server.wait()
        except KeyboardInterrupt:
            console.print("stopping")


class _Steps:
    """Progress of a few steps: bars on a terminal, plain lines elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Progress(
            TextColumn("{task.description:32}"), BarColumn(), TimeElapsedColumn(), console=console, transient=False
        )

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._bars.stop()

    def step(self, name: str, length: int) -> Callable[[int], None]:
        """Begin a step and give back what is to be told of its progress."""
        if not self._console.is_terminal:
            self._console.print(f"{name} …")
            return _unseen
        task: TaskID = self._bars.add_task(name, total=length)
        return lambda done: self._bars.advance(task, done)


def _unseen(done: int) -> None:
    """Progress that nobody watches."""
    del done
