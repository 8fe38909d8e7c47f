"""A model that cannot be loaded: at the start, and when a replica is started again while the server runs."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.engines.graphs import node, save, tensor
from tests.faults.conftest import ROOT, Fault
from tests.support.server import RunningServer
from tests.support.wire import infer, metric, output, until

START = "As the server starts"
AGAIN = "As a replica is started again"


def doubling_model(file: Path) -> Path:
    """An ONNX file that does what the other models here do."""
    return save(
        file,
        [node("Mul", ["x", "two"], ["y"])],
        [tensor("x", "FP32", ["n", 4])],
        [tensor("y", "FP32", ["n", 4])],
        {"two": np.full(1, 2, np.float32)},
    )


class Artefact:
    """A model directory whose one file says how it loads."""

    def __init__(self, folder: Path, how: str = "fine") -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "manifest.json").write_text('{"format": "python", "model": "tests.faults.models:FromFile"}')
        self.file = folder / "how"
        self.say(how)

    def say(self, how: str) -> None:
        self.file.write_text(how, encoding="utf-8")


def refused(*arguments: str) -> str:
    """Start a server that must not come up; what it said."""
    with pytest.raises(AssertionError, match="ended with") as raised, RunningServer(*arguments, cwd=ROOT):
        pass
    return str(raised.value)


def _pickled(folder: Path) -> str:
    file = folder / "model.pkl"
    file.write_bytes(pickle.dumps(np.linalg.inv))
    return str(file)


def _cut(folder: Path) -> str:
    file = doubling_model(folder / "model.onnx")
    file.write_bytes(file.read_bytes()[:-20])
    return str(file)


def _noise(folder: Path) -> str:
    file = folder / "model.onnx"
    file.write_bytes(b"\x00\xff" * 500)
    return str(file)


AT_START: list[tuple[str, Callable[[Path], str], str]] = [
    ("There is no such file", lambda folder: str(folder / "none.onnx"), "none.onnx"),
    ("The file is a pickle", _pickled, "pickle"),
    ("The file is cut off", _cut, "model.onnx"),
    ("The file is noise", _noise, "model.onnx"),
    ("The folder holds no model", str, "model"),
    ("There is no such class", lambda _: "tests.faults.models:Nothing", "Nothing"),
    ("There is no such module", lambda _: "no_such_module:Model", "no_such_module"),
    ("Its `load` raises", lambda folder: str(Artefact(folder / "m", "raise weights gone").folder), "weights gone"),
    ("Its `load` ends the process", lambda folder: str(Artefact(folder / "m", "die").folder), "signal 11"),
]


@pytest.mark.parametrize(("what", "source", "says"), AT_START, ids=[case[0] for case in AT_START])
def test_a_model_that_cannot_be_loaded_at_the_start(
    what: str, source: Callable[[Path], str], says: str, fault: Fault, tmp_path: Path
) -> None:
    fault.is_that(what, happens="The server ends and says why", caller="no server", group=START)
    assert says in refused(source(tmp_path))


def test_a_load_that_never_ends(fault: Fault, tmp_path: Path) -> None:
    fault.is_that("Loading never ends", happens="The server ends after `load_timeout`", caller="no server", group=START)
    file = tmp_path / "pumice.yaml"
    artefact = Artefact(tmp_path / "m", "hang")
    file.write_text(f"load_timeout: 3\nmodels: [{{name: m, source: {artefact.folder}}}]\n", encoding="utf-8")
    assert "load_timeout" in refused("-f", str(file))


def test_a_slow_load(fault: Fault, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    artefact = Artefact(tmp_path / "m")
    fault.is_that(
        "Loading takes long", happens="Not ready; the others answer", caller="503, reason: loading", group=AGAIN
    )
    with RunningServer(f"m={artefact.folder}", cwd=ROOT) as server:
        artefact.say(f"until {gate}")
        kill_replica(server)
        until(lambda: not ready(server))
        answer = httpx.get(f"{server.url}/v2/models/m/ready", timeout=60)
        assert "loading" in answer.text or "died" in answer.text
        fault.strikes()
        gate.touch()
        fault.heals(server.url, "m")


def ready(server: RunningServer) -> bool:
    return httpx.get(f"{server.url}/v2/models/m/ready", timeout=60).status_code == 200


def kill_replica(server: RunningServer) -> None:
    before = metric(server.url, "pumice_replica_restarts_total")
    os.kill(server.replicas()[0], signal.SIGKILL)
    until(lambda: metric(server.url, "pumice_replica_restarts_total") > before)


@pytest.mark.parametrize(
    ("what", "how", "says"),
    [
        ("Its `load` raises", "raise weights gone", "weights gone"),
        ("Its `load` ends the process", "die", "signal 11"),
    ],
)
def test_a_crash_loop(what: str, how: str, says: str, fault: Fault, tmp_path: Path) -> None:
    fault.is_that(
        what,
        happens="Backoff; not ready, with the reason; well when the artefact is mended",
        caller="503 with the reason and `Retry-After`",
        group=AGAIN,
    )
    artefact = Artefact(tmp_path / "m")
    with RunningServer(f"m={artefact.folder}", cwd=ROOT) as server:
        artefact.say(how)
        kill_replica(server)
        until(lambda: says in httpx.get(f"{server.url}/v2/models/m/ready", timeout=60).text)
        answer = infer(server.url, "m")
        assert answer.status_code == 503
        assert says in answer.text
        assert float(answer.headers["retry-after"]) > 0
        assert says in server.logged()
        fault.strikes()
        artefact.say("fine")
        fault.heals(server.url, "m")


def test_an_artefact_that_is_deleted_while_it_is_served(fault: Fault, tmp_path: Path) -> None:
    fault.is_that(
        "The artefact is deleted while it is served",
        happens="It is served on; a replica that must be started again cannot, until the artefact is back",
        caller="answers; after a restart 503 with the reason",
        group=AGAIN,
    )
    folder = tmp_path / "m"
    folder.mkdir()
    file = doubling_model(folder / "model.onnx")
    with RunningServer(f"m={file}", cwd=ROOT) as server:
        kept = shutil.move(file, tmp_path / "kept.onnx")
        assert output(infer(server.url, "m")) == [2, 4, 6, 8]
        kill_replica(server)
        until(lambda: "model.onnx" in httpx.get(f"{server.url}/v2/models/m/ready", timeout=60).text)
        assert infer(server.url, "m").status_code == 503
        fault.strikes()
        shutil.move(kept, file)
        fault.heals(server.url, "m")
