"""The model store beside MLflow's registry: push, list, and what an alias means.

MLflow's own client asks its server over HTTP, and its database on SQLite directly; Pumice's `Store` asks its home. Each
client is a process that is warm, and all take turns within a round. All keep their files on the same disk.
"""

import json
import os
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks import paths
from benchmarks.samples import Results, middle
from pumice import Store

KEY = "registries"
PEER = "mlflow"
MODELS, VERSIONS = 50, 4
ASKED = 20
LENGTH = 64 << 20
START_S = 240.0

Ask = Callable[..., float]
TITLES = {"http": "MLflow over HTTP", "direct": "MLflow on SQLite"}


def run_registries(rounds: int, results: Results) -> None:
    """Measures, and keeps medians and the medians of the ratios within a round."""
    with tempfile.TemporaryDirectory(prefix="pumice-registries-") as name, ExitStack() as stack:
        folder = Path(name)
        for part in ("served", "own"):
            (folder / part).mkdir()
        url = stack.enter_context(_server(folder / "served"))
        asks: dict[str, Ask] = {
            "http": stack.enter_context(_client(url, "")),
            "direct": stack.enter_context(
                _client(f"sqlite:///{folder}/own/mlflow.db", (folder / "own" / "files").as_uri())
            ),
            "pumice": _pumice(stack.enter_context(Store(folder / "home")), folder),
        }
        for ask in asks.values():
            ask("fill", models=MODELS, versions=VERSIONS)
        spans: dict[tuple[str, str], list[float]] = {}
        for number in range(max(rounds, 3)):
            path = folder / "model.safetensors"
            path.write_bytes(number.to_bytes(8, "little") + os.urandom(LENGTH - 8))
            for who, ask in asks.items():
                spans.setdefault((who, "push"), []).append(ask("push", path=str(path)))
                for what in ("list", "alias"):
                    taken = middle(ask(what) for _ in range(ASKED))
                    spans.setdefault((who, what), []).append(taken or 0.0)
    for (who, what), taken in spans.items():
        results.extras[f"registries_{who}_{what}_ms"] = (middle(taken) or 0.0) * 1000
        if who != "pumice":
            ratio = middle(their / own for their, own in zip(taken, spans["pumice", what], strict=True)) or 0.0
            results.extras[f"registries_{who}_{what}_times"] = ratio
    for row in registry_table(results):
        print("registries  " + "  ".join(row), flush=True)


def registry_table(results: Results) -> list[list[str]]:
    """Returns one row an operation; nothing if it was not measured."""
    if f"{KEY}_pumice_push_ms" not in results.extras:
        return []
    rows = [["operation", "Pumice ms", *(head for title in TITLES.values() for head in (f"{title} ms", "times ours"))]]
    for what, title in (("push", "push 64 MiB"), ("list", "list 50 models"), ("alias", "resolve an alias")):
        row = [title, f"{results.extras[f'{KEY}_pumice_{what}_ms']:.2f}"]
        for who in TITLES:
            row += [f"{results.extras[f'{KEY}_{who}_{what}_{unit}']:.2f}" for unit in ("ms", "times")]
        rows.append(row)
    return rows


def _pumice(store: Store, folder: Path) -> Ask:
    turn = 0

    def fill(models: int, versions: int) -> None:
        small = folder / "small.txt"
        for version in range(versions):
            small.write_text(str(version))
            for model in range(models):
                store.push(small, f"model-{model}")
        for model in range(models):
            store.alias(f"model-{model}", "prod", versions)

    def alias() -> None:
        nonlocal turn
        turn += 1
        store.find(f"model-{turn % 20}@prod")

    def ask(do: str, **given: object) -> float:
        works: dict[str, Callable[..., object]] = {
            "fill": fill,
            "push": lambda path: store.push(path, "pushed"),
            "list": store.models,
            "alias": alias,
        }
        begun = time.perf_counter()
        works[do](**given)
        return time.perf_counter() - begun

    return ask


def _environ(**more: str) -> dict[str, str]:
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    return {key: value for key, value in paths.environment().items() if key != "PYTHONPATH"} | quiet | more


@contextmanager
def _client(uri: str, artefacts: str) -> Iterator[Ask]:
    words = [str(paths.peer_python(PEER)), "-W", "ignore", str(paths.PEERS / PEER / "registry.py")]
    words += ["--artefacts", artefacts] if artefacts else []
    with (
        (paths.LOGS / f"mlflow-{'direct' if artefacts else 'http'}.log").open("wb") as log,
        subprocess.Popen(
            words,
            env=_environ(MLFLOW_TRACKING_URI=uri),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):

        def ask(do: str, **given: object) -> float:
            process.stdin.write(json.dumps({"do": do, **given}) + "\n")
            process.stdin.flush()
            return float(json.loads(process.stdout.readline())["seconds"])

        yield ask
        process.stdin.close()


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [
        *(str(paths.peer_python(PEER).with_name("mlflow")), "server", "--host", "127.0.0.1", "--port", str(port)),
        *("--workers", "1", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db"),
        *("--artifacts-destination", str(folder / "files")),
    ]
    paths.LOGS.mkdir(parents=True, exist_ok=True)
    with (paths.LOGS / "mlflow-server.log").open("wb") as log:
        process = subprocess.Popen(words, cwd=folder, env=_environ(), stdout=log, stderr=log, start_new_session=True)
    try:
        _wait(f"http://127.0.0.1:{port}/health", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, 9)
        process.wait()


def _wait(url: str, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.2)
    raise SystemExit(f"MLflow's server did not start; see {paths.LOGS}/mlflow-server.log")
