"""System shared memory: Triton's own client and its own memory, over both faces, and what is refused."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as triton_grpc  # type: ignore[import-untyped]
import tritonclient.http as triton_http  # type: ignore[import-untyped]
import tritonclient.utils.shared_memory as shm  # type: ignore[import-untyped]
from tritonclient.utils import InferenceServerException, serialize_byte_tensor

from tests.house.pages import blocks
from tests.support.server import RunningServer

ROOT = Path(__file__).parents[2]
MEMORY = Path("/dev/shm")  # noqa: S108 - where POSIX shared memory is
ROW = np.array([[1, 2, 3, 4]], np.float32)
SETTINGS = """
shared_memory: true
models:
  - {name: double, source: 'tests.support.models:Doubler'}
  - {name: shout, source: 'tests.support.models:Shout'}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    file = tmp_path_factory.mktemp("shared") / "pumice.yaml"
    file.write_text(SETTINGS, encoding="utf-8")
    with RunningServer("-f", str(file)) as running:
        yield running


@pytest.fixture
def key() -> Iterator[str]:
    """A name of memory that nobody has."""
    name = f"pumice-test-{uuid.uuid4().hex}"
    yield name
    (MEMORY / name).unlink(missing_ok=True)


@pytest.fixture(params=["http", "grpc"])
def face(request: pytest.FixtureRequest, server: RunningServer) -> Iterator[tuple[Any, Any]]:
    """Triton's client and its module."""
    module = triton_http if request.param == "http" else triton_grpc
    address = server.url.removeprefix("http://") if request.param == "http" else server.grpc
    with module.InferenceServerClient(address) as client:
        yield client, module
        client.unregister_system_shared_memory()


def place(module: Any, region: str, size: int = 16, offset: int = 0) -> list[Any]:
    made = module.InferInput("x", [1, 4], "FP32")
    made.set_shared_memory(region, size, offset)
    return [made]


def wanted(module: Any, name: str, region: str, size: int, offset: int = 0) -> list[Any]:
    made = module.InferRequestedOutput(name)
    made.set_shared_memory(region, size, offset)
    return [made]


def test_numbers_go_in_and_out(face: tuple[Any, Any], key: str) -> None:
    client, module = face
    handle = shm.create_shared_memory_region("r", f"/{key}", 64)
    try:
        shm.set_shared_memory_region(handle, [ROW], offset=16)
        client.register_system_shared_memory("r", f"/{key}", 64)
        result = client.infer("double", place(module, "r", 16, 16), outputs=wanted(module, "y", "r", 32, 32))
        np.testing.assert_array_equal(shm.get_contents_as_numpy(handle, np.float32, [1, 4], 32), ROW * 2)
        told = result.get_output("y")
        parameters = told["parameters"] if module is triton_http else told.parameters
        assert set(parameters) == {"shared_memory_region", "shared_memory_byte_size", "shared_memory_offset"}
        # one way alone, each
        answer = client.infer("double", place(module, "r", 16, 32)).as_numpy("y")
        np.testing.assert_array_equal(answer, ROW * 4)
        sent = module.InferInput("x", [1, 4], "FP32")
        sent.set_data_from_numpy(ROW * 5)
        client.infer("double", [sent], outputs=wanted(module, "y", "r", 16))
        np.testing.assert_array_equal(shm.get_contents_as_numpy(handle, np.float32, [1, 4]), ROW * 10)
    finally:
        shm.destroy_shared_memory_region(handle)


def test_byte_strings_go_in_and_out(face: tuple[Any, Any], key: str) -> None:
    client, module = face
    texts = serialize_byte_tensor(np.array([b"ab", b"", "é".encode()], dtype=object))
    handle = shm.create_shared_memory_region("r", key, 256)
    try:
        shm.set_shared_memory_region(handle, [texts])
        client.register_system_shared_memory("r", key, 256)
        given = module.InferInput("text", [3], "BYTES")
        given.set_shared_memory("r", len(texts.item()))
        client.infer("shout", [given], outputs=wanted(module, "loud", "r", 100, 100))
        said = shm.get_contents_as_numpy(handle, np.object_, [3], 100)
        assert said.tolist() == [text.upper() for text in (b"ab", b"", "é".encode())]
    finally:
        shm.destroy_shared_memory_region(handle)


def test_regions_are_listed_and_forgotten(face: tuple[Any, Any], key: str) -> None:
    client, module = face
    (MEMORY / key).write_bytes(bytes(64))
    client.register_system_shared_memory("r", key, 32, offset=8)
    if module is triton_http:
        assert client.get_system_shared_memory_status("r") == [{"name": "r", "key": key, "offset": 8, "byte_size": 32}]
    else:
        told = client.get_system_shared_memory_status("r").regions["r"]
        assert (told.name, told.key, told.offset, told.byte_size) == ("r", key, 8, 32)
    client.unregister_system_shared_memory("r")
    calls: list[Callable[[], object]] = [
        lambda: client.get_system_shared_memory_status("r"),
        lambda: client.infer("double", place(module, "r")),
        lambda: client.infer("double", place(module, "r"), outputs=wanted(module, "y", "r", 16)),
    ]
    for call in calls:
        with pytest.raises(InferenceServerException, match="not registered"):
            call()


def test_what_is_out_of_bounds_is_refused(face: tuple[Any, Any], key: str) -> None:
    client, module = face
    file = MEMORY / key
    file.write_bytes(bytes(64))
    client.register_system_shared_memory("r", key, 48, offset=16)
    sent = module.InferInput("x", [1, 4], "FP32")
    sent.set_data_from_numpy(ROW)
    refusals: list[tuple[Callable[[], object], str]] = [
        (lambda: client.register_system_shared_memory("r", key, 8), "registered already"),
        (lambda: client.register_system_shared_memory("s", key, 65), "has 64 bytes; 65 needed"),
        (lambda: client.register_system_shared_memory("s", key, 0), "at least 1"),
        (lambda: client.infer("double", place(module, "r", 16, 33)), "which has 48"),
        (lambda: client.infer("double", place(module, "r", 12)), "12 bytes; FP32"),
        (lambda: client.infer("double", [sent], outputs=wanted(module, "y", "r", 16, 40)), "which has 48"),
        (lambda: client.infer("double", [sent], outputs=wanted(module, "y", "r", 12)), "room for 12"),
    ]
    for call, message in refusals:
        with pytest.raises(InferenceServerException, match=message):
            call()
    os.truncate(file, 20)
    with pytest.raises(InferenceServerException, match="has 20 bytes now; 32 needed"):
        client.infer("double", place(module, "r"))
    np.testing.assert_array_equal(client.infer("double", [sent]).as_numpy("y"), ROW * 2)


@pytest.mark.parametrize("name", ["", "/", ".", "..", "../etc/passwd", "a/b", "//etc/passwd", "/a/../b"])
def test_a_key_that_leads_elsewhere_is_refused(face: tuple[Any, Any], name: str) -> None:
    client, _ = face
    with pytest.raises(InferenceServerException, match="directly below /dev/shm"):
        client.register_system_shared_memory("r", name, 1)


def test_a_link_is_not_followed(face: tuple[Any, Any], key: str, tmp_path: Path) -> None:
    client, _ = face
    target = tmp_path / "secret"
    target.write_bytes(bytes(64))
    (MEMORY / key).symlink_to(target)
    with pytest.raises(InferenceServerException, match="cannot be opened"):
        client.register_system_shared_memory("r", key, 64)


def test_what_the_page_shows_works(tmp_path: Path) -> None:
    settings, model, call = (
        block.text for block in blocks(ROOT / "docs/how-to/shared-memory.md") if block.language in {"yaml", "python"}
    )
    (tmp_path / "pumice.yaml").write_text(settings, encoding="utf-8")
    (tmp_path / "means.py").write_text(model, encoding="utf-8")
    with RunningServer("-f", str(tmp_path / "pumice.yaml"), cwd=tmp_path) as server:
        own = call.replace("127.0.0.1:8000", server.url.removeprefix("http://")).replace("my-images", uuid.uuid4().hex)
        done = subprocess.run([sys.executable, "-c", own], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    image = np.random.default_rng(0).standard_normal((1, 3, 224, 224), np.float32)
    shown = [float(number) for number in done.stdout.strip("[] \n").split()]
    np.testing.assert_allclose(shown, image.mean((2, 3))[0], atol=1e-5)
