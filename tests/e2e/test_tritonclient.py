"""The unmodified HTTP clients of Triton, blocking and asyncio, against a whole server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton  # type: ignore[import-untyped]
import tritonclient.http.aio as triton_aio  # type: ignore[import-untyped]
from tritonclient.utils import InferenceServerException, np_to_triton_dtype  # type: ignore[import-untyped]

from tests.support.server import RunningServer

ROW = np.array([[1, 2, 3, 4]], np.float32)


@pytest.fixture
def client(server: RunningServer) -> Iterator[Any]:
    with triton.InferenceServerClient(server.url.removeprefix("http://")) as opened:
        yield opened


def tensor(name: str, array: np.ndarray, *, binary: bool = True) -> Any:
    made = triton.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
    made.set_data_from_numpy(array, binary_data=binary)
    return made


def test_server_and_models_describe_themselves(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("double")
    assert client.is_model_ready("double", "1")
    assert not client.is_model_ready("nobody")
    assert client.get_server_metadata()["name"] == "pumice"
    assert client.get_model_metadata("double")["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}]
    assert {entry["name"] for entry in client.get_model_repository_index()} >= {"double", "mixed"}


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_numbers_in_every_mixture_of_json_and_binary(client: Any, binary_in: bool, binary_out: bool) -> None:
    wanted = [triton.InferRequestedOutput("y", binary_data=binary_out)]
    result = client.infer("double", [tensor("x", ROW, binary=binary_in)], outputs=wanted, request_id="42")
    np.testing.assert_array_equal(result.as_numpy("y"), ROW * 2)
    response = result.get_response()
    assert (response["id"], response["model_name"], response["model_version"]) == ("42", "double", "1")


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_compression_both_ways(client: Any, algorithm: str) -> None:
    rows = np.tile(ROW, (2000, 1))
    result = client.infer(
        "double",
        [tensor("x", rows)],
        request_compression_algorithm=algorithm,
        response_compression_algorithm=algorithm,
    )
    np.testing.assert_array_equal(result.as_numpy("y"), rows * 2)


@pytest.mark.parametrize("binary", [True, False])
def test_texts(client: Any, binary: bool) -> None:
    text: np.ndarray = np.array([b"hi", "好b".encode()], dtype=object)
    result = client.infer("shout", [tensor("text", text, binary=binary)])
    assert [item.decode() for item in result.as_numpy("loud")] == ["HI", "好B"]


def test_every_datatype(client: Any) -> None:
    inputs: dict[str, np.ndarray] = {
        "half": np.array([[0.5, 2]], np.float16),
        "long": np.array([2**62], np.int64),
        "flag": np.array([[True, False]]),
        "double": np.full((1, 2, 2), 1e300),
    }
    result = client.infer("mixed", [tensor(name, array) for name, array in inputs.items()])
    for name, array in inputs.items():
        np.testing.assert_array_equal(result.as_numpy(f"{name}_out"), array)


def test_requests_in_flight_together(client: Any) -> None:
    calls = [client.async_infer("double", [tensor("x", ROW * factor)]) for factor in range(10)]
    for factor, call in enumerate(calls):
        np.testing.assert_array_equal(call.get_result().as_numpy("y"), ROW * factor * 2)


def test_refusals_are_the_clients_own_errors(client: Any) -> None:
    with pytest.raises(InferenceServerException, match="model 'nobody' is not served"):
        client.infer("nobody", [tensor("x", ROW)])
    with pytest.raises(InferenceServerException, match=r"allowed FP32 \[-1, 4\]"):
        client.infer("double", [tensor("x", ROW[:, :3])])


def test_the_asyncio_client(server: RunningServer) -> None:
    async def call() -> np.ndarray:
        async with triton_aio.InferenceServerClient(server.url.removeprefix("http://")) as client:
            assert await client.is_server_ready()
            result = await client.infer("double", [tensor("x", ROW)])
            answer: np.ndarray = result.as_numpy("y")
            return answer

    np.testing.assert_array_equal(asyncio.run(call()), ROW * 2)
