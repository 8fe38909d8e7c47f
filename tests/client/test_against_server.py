"""Both clients against the real server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import numpy as np
import pytest

from pumice import AsyncClient, Client
from pumice.client import TaskFailed
from pumice.domain import errors as e
from tests.cli.command import ROOT
from tests.client.faces import Face
from tests.support.server import RunningServer

X = np.arange(8, dtype=np.float32).reshape(2, 4)
MODELS = {"double": "Doubler", "shout": "Shout", "mixed": "Mixed", "picky": "Picky"}


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    sources = [f"{name}=tests.support.models:{kind}" for name, kind in MODELS.items()]
    with RunningServer(*sources, cwd=ROOT) as running:
        yield running


@pytest.fixture(params=["sync", "async"])
def client(request: pytest.FixtureRequest, server: RunningServer) -> Face:
    return Face(request.param, server.url)


@pytest.mark.parametrize("binary", [True, False])
def test_numbers(client: Face, binary: bool) -> None:
    answer = client.infer_raw("double", {"x": X}, binary=binary, request_id="mine-1")
    assert answer.outputs["y"].dtype == np.float32
    assert answer.outputs["y"].tolist() == (X * 2).tolist()
    assert (answer.model, answer.version, answer.request_id) == ("double", "1", "mine-1")


def test_bytes_of_any_kind(client: Face) -> None:
    outputs = client.infer("shout", {"text": ["abc", b"d\xff\0", "很"]})
    assert outputs["loud"].tolist() == [b"ABC", b"D\xff\0", "很".encode()]
    assert client.predict("shout", "abc") == [b"ABC"]


def test_every_type_there_and_back(client: Face) -> None:
    inputs = {
        "half": np.array([[1.5, -2]], np.float16),
        "long": np.array([1 << 60]),
        "flag": np.array([[True, False, True]]),
        "double": np.array([[[0.1, 0.2], [0.3, 0.4]]]),
    }
    outputs = client.infer("mixed", inputs)
    for name, array in inputs.items():
        assert outputs[f"{name}_out"].dtype == array.dtype
        assert outputs[f"{name}_out"].tolist() == array.tolist()


def test_predict_gives_a_row_an_item(client: Face) -> None:
    assert [row.tolist() for row in client.predict("double", [[1, 2, 3, 4], [5, 6, 7, 8]])] == [
        [2, 4, 6, 8],
        [10, 12, 14, 16],
    ]


def test_what_is_served(client: Face) -> None:
    assert client.live()
    assert client.ready()
    assert client.ready("double", version="1")
    assert {(state.name, state.version, state.state) for state in client.models()} == {
        (name, "1", "READY") for name in MODELS
    }
    known = client.metadata("double")
    assert (known.inputs[0].name, known.inputs[0].datatype, known.inputs[0].shape) == ("x", "FP32", [-1, 4])


def test_refusals(client: Face) -> None:
    with pytest.raises(e.ModelNotFound, match="'nope' is not served; served: double"):
        client.infer("nope", {"x": X})
    with pytest.raises(e.ModelNotFound, match="version '9'"):
        client.infer("double", {"x": X}, version="9")
    with pytest.raises(e.Unfit, match=r"given FP64 \[2, 4\]; allowed FP32 \[-1, 4\]"):
        client.infer("double", {"x": X.astype(np.float64)})
    with pytest.raises(e.BadRequest, match="priority"):
        client.infer("double", {"x": X}, priority=99)
    with pytest.raises(e.ModelError, match="thirteen"):
        client.infer("picky", {"x": np.full((1, 4), 13, np.float32)})


def test_tasks(client: Face) -> None:
    task = client.submit("double", {"x": X})
    assert client.wait(task)["y"].tolist() == (X * 2).tolist()
    assert client.result(task).status == "completed"
    failing = client.submit("picky", {"x": np.full((1, 4), 13, np.float32)})
    with pytest.raises(TaskFailed, match="thirteen"):
        client.wait(failing)
    with pytest.raises(e.TaskNotFound):
        client.result("no-such-task")


def test_many_calls_at_once(server: RunningServer) -> None:
    async def ask(client: AsyncClient, number: int) -> float:
        outputs = await client.infer("double", {"x": np.full((1, 4), number, np.float32)})
        return float(outputs["y"][0, 0])

    async def ask_all() -> list[float]:
        async with AsyncClient(server.url) as client:
            return await asyncio.gather(*(ask(client, number) for number in range(200)))

    assert asyncio.run(ask_all()) == [2.0 * number for number in range(200)]


def test_a_server_that_starts_again_is_found_again(server: RunningServer) -> None:
    with RunningServer("double=tests.support.models:Doubler", cwd=ROOT) as other, Client(other.url) as client:
        assert client.ready("double")
        other.kill()
        assert not client.live()
        assert not client.ready("double")
    with Client(server.url) as client:
        assert client.live()
