"""`pumice predict` against a real server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.cli.command import ROOT, pumice
from tests.support.server import RunningServer


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    models = "tests.support.models"
    with RunningServer(f"double={models}:Doubler", f"shout={models}:Shout", cwd=ROOT) as running:
        yield running


def test_a_text_gets_a_table(server: RunningServer) -> None:
    done = pumice("predict", "shout", "hello", "--url", server.url)
    assert done.returncode == 0
    assert "hello" in done.stdout
    assert "HELLO" in done.stdout


def test_standard_input_and_json(server: RunningServer) -> None:
    done = pumice("predict", "shout@1", "-", "--url", server.url, "--json", stdin="one\n很\n".encode())
    assert json.loads(done.stdout) == {"predictions": ["ONE", "很"]}


def test_rows_of_an_array(server: RunningServer, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((2, 4), np.float32))
    done = pumice("predict", "double", str(tmp_path / "x.npy"), "--url", server.url, "--json")
    assert json.loads(done.stdout) == {"predictions": [[2, 2, 2, 2], [2, 2, 2, 2]]}


@pytest.mark.parametrize("body", ['{"inputs": {"x": [[1, 2, 3, 4]]}}', '{"instances": [{"x": [1, 2, 3, 4]}]}'])
def test_named_tensors_take_the_models_type(server: RunningServer, body: str) -> None:
    done = pumice("predict", "double", "-", "--url", server.url, "--json", stdin=body.encode())
    assert json.loads(done.stdout) == {
        "model": "double",
        "version": "1",
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [1, 4], "data": [2, 4, 6, 8]}],
    }


def test_named_tensors_get_a_table(server: RunningServer, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.ones((2, 4), np.float32))
    done = pumice("predict", "double", str(tmp_path / "x.npz"), "--url", server.url)
    assert done.returncode == 0
    assert "FP32" in done.stdout
    assert "2, 2, 2, 2, 2, 2, …" in done.stdout


def test_the_settings_tell_where_the_server_is(server: RunningServer) -> None:
    port = server.url.rpartition(":")[2]
    everywhere = {"PUMICE_PORT": port, "PUMICE_HOST": "0.0.0.0"}  # noqa: S104 - where it would listen
    done = pumice("predict", "shout", "hi", "--json", environ=everywhere)
    assert json.loads(done.stdout) == {"predictions": ["HI"]}


def test_what_does_not_fit_is_2(server: RunningServer, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.ones((2, 3), np.float32))
    done = pumice("predict", "double", str(tmp_path / "x.npz"), "--url", server.url)
    assert done.returncode == 2
    assert "given FP32 [2, 3]; allowed FP32 [-1, 4]" in done.stderr
    unknown = pumice("predict", "nope", "x", "--url", server.url)
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert "'nope' is not served; served: double, shout" in unknown.stderr
