"""How each server is started and spoken to. Adding a peer: a folder in `peers/`, a line here, one in `setup_peers`."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks import paths
from benchmarks.workloads import Workload


@dataclass(frozen=True)
class Server:
    """One server under test.

    Attributes:
        name: As in options and results.
        title: As in tables.
        command: Gives the command line for a workload and a port.
        path: Gives the path that takes requests.
        bodies: Gives the request bodies.
        headers: Gives their headers.
        check: Which function of `answers` reads its answers.
        workloads: Keys of those that it serves.
        models: If not empty, models that are asked in turn.
        start_limit: Seconds until it must have answered.
    """

    name: str
    title: str
    command: Callable[[Workload, int], list[str]]
    path: Callable[[Workload], str]
    bodies: Callable[[Workload], tuple[bytes, ...]]
    headers: Callable[[Workload], dict[str, str]]
    check: str
    workloads: str = "ABC"
    models: tuple[str, ...] = ()
    start_limit: float = 60.0


def _peer_command(peer: str) -> Callable[[Workload, int], list[str]]:
    def command(workload: Workload, port: int) -> list[str]:
        server = paths.PEERS / peer / "server.py"
        given = ["--workload", workload.key, "--model", str(workload.model), "--port", str(port)]
        return [str(paths.peer_python(peer)), str(server), *given]

    return command


def _pumice_command(workload: Workload, port: int) -> list[str]:
    replicas = "2" if workload.key == "B" else "1"
    source = f"{workload.name}={workload.model}"
    ports = ["--port", str(port), "--grpc-port", "0"]
    return [str(paths.pumice_command()), "serve", source, *ports, "--replicas", replicas, "--threads", "1"]


def _plain_peer(name: str, title: str, path: str, workloads: str = "ABC") -> Server:
    bodies, headers = Workload.plain_bodies, Workload.plain_headers
    return Server(
        name, title, _peer_command(name), lambda _: path, bodies, headers, "benchmarks.answers:plain", workloads
    )


def _oip_path(workload: Workload) -> str:
    return f"/v2/models/{workload.name}/infer"


def _oip_server(name: str, title: str, command: Callable[[Workload, int], list[str]]) -> Server:
    return Server(name, title, command, _oip_path, Workload.oip_bodies, Workload.oip_headers, "benchmarks.answers:oip")


SERVERS = {
    server.name: server
    for server in (
        _oip_server("pumice", "Pumice", _pumice_command),
        _oip_server("triton", "Triton (C++ front end, Python model)", _peer_command("triton")),
        _plain_peer("mosec", "mosec", "/inference"),
        _plain_peer("fastapi", "FastAPI + onnxruntime", "/predict"),
        _plain_peer("fastapi_batcher", "FastAPI + 30-line batcher", "/predict"),
        _plain_peer("litserve", "LitServe", "/predict"),
        _plain_peer("bentoml", "BentoML", "/predict", "C"),
    )
}

ECHO = "grpc_echo"
"""A bare `grpc.aio` server, what gRPC is held against; see `grpc.py`."""

TITLES = {name: server.title for name, server in SERVERS.items()} | {ECHO: "bare grpc.aio echo"}


def demo_server() -> Server:
    """Gives Pumice with the sentiment model that it bundles; the workload is not looked at."""
    model = str(paths.ROOT / "src" / "pumice" / "assets" / "sentiment")
    body = '{"inputs":[{"name":"text","shape":[1],"datatype":"BYTES","data":["很好"]}]}'.encode()

    def command(_: Workload, port: int) -> list[str]:
        return [str(paths.pumice_command()), "serve", f"sentiment={model}", "--port", str(port), "--grpc-port", "0"]

    path, check = "/v2/models/sentiment/infer", "benchmarks.answers:labelled"
    return Server(
        "pumice-demo", "Pumice, demo model", command, lambda _: path, lambda _: (body,), Workload.plain_headers, check
    )
