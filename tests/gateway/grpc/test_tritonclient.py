"""The unmodified gRPC clients of Triton, blocking and asyncio, against a whole server."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as triton  # type: ignore[import-untyped]
import tritonclient.grpc.aio as triton_aio  # type: ignore[import-untyped]
from tritonclient.utils import InferenceServerException, np_to_triton_dtype  # type: ignore[import-untyped]

ROW = np.array([[1, 2, 3, 4]], dtype=np.float32)


@pytest.fixture
def client(address: str) -> Iterator[Any]:
    with triton.InferenceServerClient(address) as opened:
        yield opened


def tensor(name: str, array: np.ndarray) -> Any:
    made = triton.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
    made.set_data_from_numpy(array)
    return made


def test_server_and_models_describe_themselves(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("doubler")
    assert client.is_model_ready("doubler", "1")
    assert client.get_server_metadata().name == "pumice"
    metadata = client.get_model_metadata("doubler")
    assert (metadata.name, list(metadata.versions)) == ("doubler", ["1"])
    assert [(t.name, t.datatype, list(t.shape)) for t in metadata.inputs] == [("x", "FP32", [-1, 4])]
    assert [(t.name, t.datatype, list(t.shape)) for t in metadata.outputs] == [("y", "FP32", [-1, 4])]
    index = client.get_model_repository_index().models
    assert ("doubler", "1", "READY", "") in [(entry.name, entry.version, entry.state, entry.reason) for entry in index]


def test_numbers(client: Any) -> None:
    result = client.infer("doubler", [tensor("x", ROW)], model_version="1", request_id="42")
    np.testing.assert_array_equal(result.as_numpy("y"), ROW * 2)
    response = result.get_response()
    assert (response.id, response.model_name, response.model_version) == ("42", "doubler", "1")


def test_byte_strings_of_any_bytes(client: Any) -> None:
    texts = np.array(["héllo".encode(), b"", b"\xff\x00a"], dtype=object)
    result = client.infer("shout", [tensor("text", texts)]).as_numpy("loud")
    assert result.tolist() == [text.upper() for text in texts]


def test_many_types_and_shapes_and_some_of_the_outputs(client: Any) -> None:
    inputs: dict[str, np.ndarray] = {
        "half": np.array([[0.5, -2]], np.float16),
        "long": np.array([2**62], np.int64),
        "flag": np.array([[True, False, True]]),
        "double": np.array([[[1.5, 2], [3, 4]]], np.float64),
    }
    result = client.infer("mixed", [tensor(name, array) for name, array in inputs.items()])
    for name, array in inputs.items():
        given = result.as_numpy(f"{name}_out")
        assert given.dtype == array.dtype
        np.testing.assert_array_equal(given, array)
    wanted = [triton.InferRequestedOutput("long_out"), triton.InferRequestedOutput("half_out")]
    result = client.infer("mixed", [tensor(name, array) for name, array in inputs.items()], outputs=wanted)
    assert [output.name for output in result.get_response().outputs] == ["long_out", "half_out"]


def test_images_both_ways_with_compression(client: Any) -> None:
    image = np.random.default_rng(0).standard_normal((2, 3, 224, 224), np.float32)
    result = client.infer("big", [tensor("image", image)], compression_algorithm="gzip")
    np.testing.assert_array_equal(result.as_numpy("same"), image)


def test_parameters_and_priority(client: Any) -> None:
    result = client.infer("rows", [tensor("x", ROW)], priority=1, timeout=10_000_000, parameters={"mark": 7})
    assert result.as_numpy("y")[0].tolist() == [1, 7, 1, 1]


def test_text_classification(client: Any) -> None:
    texts = np.array(["房间很干净，服务也很好".encode(), "质量太差了，再也不买".encode()], dtype=object)
    result = client.infer("sentiment", [tensor("text", texts)])
    assert result.as_numpy("label").tolist() == [b"positive", b"negative"]
    assert result.as_numpy("scores").shape == (2, 2)


def test_callbacks(client: Any) -> None:
    answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
    for number in range(8):
        rows = np.full((1, 4), number, np.float32)
        client.async_infer("doubler", [tensor("x", rows)], lambda result, error: answers.put((result, error)))
    told = [answers.get(timeout=30) for _ in range(8)]
    assert [error for _, error in told if error] == []
    assert sorted(result.as_numpy("y")[0, 0] for result, _ in told) == [2 * number for number in range(8)]


@pytest.mark.parametrize(
    ("model", "array", "options", "status", "words"),
    [
        ("nobody", ROW, {}, "NOT_FOUND", "model 'nobody' is not served"),
        ("doubler", ROW, {"model_version": "9"}, "NOT_FOUND", "version '9'"),
        ("doubler", ROW[:, :3], {}, "INVALID_ARGUMENT", "given FP32 [1, 3]; allowed FP32 [-1, 4]"),
        ("doubler", ROW.astype(np.float64), {}, "INVALID_ARGUMENT", "given FP64"),
        ("doubler", ROW * np.nan, {}, "INVALID_ARGUMENT", "NaN"),
        ("doubler", ROW, {"priority": 17}, "INVALID_ARGUMENT", "priority"),
        ("doubler", ROW, {"sequence_id": 5, "sequence_start": True}, "UNIMPLEMENTED", "sequence_"),
        ("doubler", ROW, {"outputs": [triton.InferRequestedOutput("z")]}, "INVALID_ARGUMENT", "output 'z'"),
        ("doubler", ROW, {"outputs": [triton.InferRequestedOutput("y", class_count=2)]}, "UNIMPLEMENTED", "output 'y'"),
        ("picky", np.full((1, 4), 13, np.float32), {}, "INTERNAL", "thirteen is refused"),
    ],
)
def test_errors(client: Any, model: str, array: np.ndarray, options: dict[str, Any], status: str, words: str) -> None:
    with pytest.raises(InferenceServerException) as caught:
        client.infer(model, [tensor("x", array)], **options)
    assert caught.value.status() == f"StatusCode.{status}"
    assert words in caught.value.message()


def test_a_deadline(client: Any, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with pytest.raises(InferenceServerException) as caught:
        client.infer("gated", [tensor("x", ROW)], parameters={"gate": str(gate)}, client_timeout=0.2)
    assert caught.value.status() == "StatusCode.DEADLINE_EXCEEDED"
    gate.touch()


def test_what_is_not_there_says_so(client: Any) -> None:
    with pytest.raises(InferenceServerException) as caught:
        client.get_trace_settings()
    assert caught.value.status() == "StatusCode.UNIMPLEMENTED"


def test_asyncio(address: str) -> None:
    async def run() -> None:
        async with triton_aio.InferenceServerClient(address) as client:
            assert await client.is_model_ready("doubler")
            calls = [client.infer("doubler", [tensor("x", ROW * number)]) for number in range(16)]
            for number, result in enumerate(await asyncio.gather(*calls)):
                np.testing.assert_array_equal(result.as_numpy("y"), ROW * number * 2)
            texts = np.array([b"a", b"b"], dtype=object)
            result = await client.infer("shout", [tensor("text", texts)])
            assert result.as_numpy("loud").tolist() == [b"A", b"B"]
            with pytest.raises(InferenceServerException, match="not served"):
                await client.infer("nobody", [tensor("x", ROW)])

    asyncio.run(run())
