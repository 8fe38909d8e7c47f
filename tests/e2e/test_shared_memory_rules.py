"""System shared memory: whose regions are whose, what happens to them meanwhile, and where it is refused."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
import tritonclient.grpc as triton_grpc  # type: ignore[import-untyped]
import tritonclient.http as triton_http  # type: ignore[import-untyped]
import yaml
from tritonclient.utils import InferenceServerException  # type: ignore[import-untyped]

from pumice.protocol.oip.proto import open_inference_pb2 as pb
from pumice.service.access.keys import KeyStore
from pumice.service.access.types import KeyWish
from tests.cli.command import pumice
from tests.soak.census import links_of, resident
from tests.support.server import RunningServer
from tests.support.wire import body, metric, until

MEMORY = Path("/dev/shm")  # noqa: S108 - where POSIX shared memory is
ROOT = Path(__file__).parents[2]
KINDS = {"double": "Doubler", "gated": "Gated", "mixed": "Mixed", "big": "Big"}
LIMIT = 2_000_000
MORE = {"max_body_bytes": LIMIT, "max_inflight_bytes": 3 * LIMIT}
Json = dict[str, Any]


def settings(folder: Path, **more: object) -> str:
    file = folder / "pumice.yaml"
    models = [{"name": name, "source": f"tests.support.models:{kind}"} for name, kind in KINDS.items()]
    file.write_text(yaml.safe_dump({"models": models, "shared_memory": True} | more), encoding="utf-8")
    return str(file)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with RunningServer("-f", settings(tmp_path_factory.mktemp("rules"), **MORE), cwd=ROOT) as running:
        yield running


@pytest.fixture
def memory() -> Iterator[Path]:
    """64 bytes of memory that nobody else has."""
    file = MEMORY / f"pumice-test-{uuid.uuid4().hex}"
    file.write_bytes(bytes(64))
    yield file
    file.unlink(missing_ok=True)


@dataclass
class Api:
    """The extension over HTTP without a client of anybody.

    Attributes:
        url: The server's.
        key: The caller's key, if it has one.
    """

    url: str
    key: str = ""

    def call(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.key}"} if self.key else {}
        return httpx.request(method, self.url + path, headers=headers, timeout=60, **more)

    def register(self, name: str, **region: object) -> httpx.Response:
        return self.call("POST", f"/v2/systemsharedmemory/region/{name}/register", json=region)

    def unregister(self, name: str = "") -> httpx.Response:
        part = f"region/{name}/" if name else ""
        return self.call("POST", f"/v2/systemsharedmemory/{part}unregister")

    def status(self, name: str = "") -> httpx.Response:
        part = f"region/{name}/" if name else ""
        return self.call("GET", f"/v2/systemsharedmemory/{part}status")

    def infer(self, inputs: list[Json], outputs: list[Json] | None = None, model: str = "double") -> httpx.Response:
        sent = {"inputs": inputs} | ({"outputs": outputs} if outputs else {})
        return self.call("POST", f"/v2/models/{model}/infer", json=sent)


@pytest.fixture
def api(server: RunningServer) -> Iterator[Api]:
    made = Api(server.url)
    yield made
    assert made.unregister().status_code == 200


def at(region: str, size: object = 16, **more: object) -> Json:
    return {"shared_memory_region": region, "shared_memory_byte_size": size} | more


def x_at(region: str, size: object = 16, **more: object) -> Json:
    return {"name": "x", "shape": [1, 4], "datatype": "FP32", "parameters": at(region, size, **more)}


def x_here() -> Json:
    inputs: list[Json] = body()["inputs"]  # type: ignore[assignment]
    return inputs[0]


def test_a_region_is_used_and_seen_by_its_owner_alone(tmp_path: Path, memory: Path) -> None:
    home = tmp_path / "home"
    store = KeyStore.open(home)
    ann, ben, boss, narrow = (
        store.create(KeyWish(name=name, scopes=scopes), "test").key
        for name, scopes in (
            ("ann", ["infer:*", "manage:*"]),
            ("ben", ["infer:*"]),
            ("boss", ["infer:*", "manage:*"]),
            ("narrow", ["infer:*", "manage:double"]),
        )
    )
    store.close()
    with RunningServer("-f", settings(tmp_path, auth="keys"), home=home, cwd=ROOT) as server:
        mine, theirs, bosses = Api(server.url, ann), Api(server.url, ben), Api(server.url, boss)
        assert mine.register("r", key=memory.name, byte_size=64).status_code == 200
        entry = {"name": "r", "key": memory.name, "offset": 0, "byte_size": 64}
        assert mine.infer([x_at("r")], [{"name": "y", "parameters": at("r")}]).status_code == 200
        for other in (theirs, Api(server.url, narrow)):
            assert other.register("s", key=memory.name, byte_size=64).status_code == 403
            assert other.unregister("r").status_code == 403
            assert other.unregister().status_code == 403
            assert other.status().json() == []
            assert other.status("r").status_code == 404
            assert other.infer([x_at("r")]).status_code == 404
            assert other.infer([x_here()], [{"name": "y", "parameters": at("r")}]).status_code == 404
        _refused_over_grpc(server.grpc, ben)
        # who manages sees it, but to use it must register it, and drops it only by name
        assert bosses.status().json() == [entry]
        assert bosses.infer([x_at("r")]).status_code == 404
        assert bosses.unregister().status_code == 200
        assert mine.status("r").json() == [entry]
        assert bosses.unregister("r").status_code == 200
        assert mine.infer([x_at("r")]).status_code == 404
        audited = (home / "audit.jsonl").read_text(encoding="utf-8")
    assert memory.name in audited


def _refused_over_grpc(address: str, key: str) -> None:
    head = {"authorization": f"Bearer {key}"}
    given = triton_grpc.InferInput("x", [1, 4], "FP32")
    given.set_shared_memory("r", 16)
    with triton_grpc.InferenceServerClient(address) as client:
        calls: list[tuple[Callable[[], object], str]] = [
            (lambda: client.infer("double", [given], headers=head), "NOT_FOUND"),
            (lambda: client.get_system_shared_memory_status("r", headers=head), "NOT_FOUND"),
            (lambda: client.unregister_system_shared_memory("r", headers=head), "PERMISSION_DENIED"),
            (lambda: client.register_system_shared_memory("s", "x", 1, headers=head), "PERMISSION_DENIED"),
        ]
        for call, status in calls:
            with pytest.raises(InferenceServerException) as refused:
                call()
            assert refused.value.status() == f"StatusCode.{status}"
        assert not client.get_system_shared_memory_status(headers=head).regions


def test_a_region_that_goes_while_the_model_runs_gets_no_answer(api: Api, memory: Path, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    api.register("r", key=memory.name, byte_size=64)
    sent = {
        "inputs": [x_at("r")],
        "outputs": [{"name": "y", "parameters": at("r", 16, shared_memory_offset=16)}],
        "parameters": {"gate": str(gate)},
    }
    memory.write_bytes(np.arange(16, dtype=np.float32).tobytes())
    before = memory.read_bytes()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(api.call, "POST", "/v2/models/gated/infer", json=sent)
        try:
            until(lambda: metric(api.url, "pumice_inflight_requests", model="gated") == 1)
            assert api.unregister("r").status_code == 200
            assert api.register("r", key=memory.name, byte_size=64).status_code == 200
        finally:
            gate.touch()
        answer = running.result()
    assert answer.status_code == 400
    assert "unregistered while the request ran" in answer.json()["error"]
    assert memory.read_bytes() == before


def test_outputs_do_not_lie_on_each_other(api: Api, memory: Path) -> None:
    api.register("r", key=memory.name, byte_size=64)
    profile = api.call("GET", "/v2/models/mixed").json()
    first, second = (output["name"] for output in profile["outputs"][:2])
    for start in (0, 8, 15):
        wanted = [
            {"name": first, "parameters": at("r", 16)},
            {"name": second, "parameters": at("r", 16, shared_memory_offset=start)},
        ]
        answer = api.infer([x_here()], wanted, "mixed")
        assert answer.status_code == 400
        assert "lies on the bytes of" in answer.json()["error"]


@pytest.mark.parametrize("size", [-1, 1 << 63, 1 << 64, 10**30, 1.5, "16", None, True, [16]])
@pytest.mark.parametrize("name", ["shared_memory_byte_size", "shared_memory_offset"])
def test_numbers_that_are_none_are_refused(api: Api, memory: Path, name: str, size: object) -> None:
    api.register("r", key=memory.name, byte_size=64)
    odd = at("r") | {name: size}
    for answer in (
        api.infer([x_here() | {"parameters": odd, "data": [1, 2, 3, 4]}]),
        api.infer([{"name": "x", "shape": [1, 4], "datatype": "FP32", "parameters": odd}]),
        api.infer([x_here()], [{"name": "y", "parameters": odd}]),
        api.register("s", key=memory.name, byte_size=64, offset=size),
        api.register("s", key=memory.name, byte_size=size),
    ):
        assert answer.status_code == 400, answer.text
        assert set(answer.json()) == {"error"}
    assert len(api.status().json()) == 1


def test_grpc_refuses_numbers_that_are_none(server: RunningServer, api: Api, memory: Path) -> None:
    api.register("r", key=memory.name, byte_size=64)
    with grpc.insecure_channel(server.grpc) as channel:
        infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer", None, None)
        for size, offset in ((-1, 0), (16, -1), ((1 << 63) - 1, (1 << 63) - 1), (65, 0), (16, 49)):
            message = pb.ModelInferRequest(model_name="double")
            given = message.inputs.add(name="x", datatype="FP32", shape=[1, 4])
            given.parameters["shared_memory_region"].string_param = "r"
            given.parameters["shared_memory_byte_size"].int64_param = size
            given.parameters["shared_memory_offset"].int64_param = offset
            with pytest.raises(grpc.RpcError) as refused:
                infer(message.SerializeToString())
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_short_message_cannot_name_more_than_a_long_one_could_carry(server: RunningServer, api: Api) -> None:
    file = MEMORY / f"pumice-test-{uuid.uuid4().hex}"
    image, each = [1, 3, 224, 224], 4 * 3 * 224 * 224
    try:
        with file.open("wb") as made:
            os.truncate(made.fileno(), 8 * LIMIT)
        api.register("r", key=file.name, byte_size=8 * LIMIT)
        wide = {"name": "image", "datatype": "FP32"}
        for shape, size in (([5, *image[1:]], 5 * each), ([3, *image[1:]], 8 * LIMIT)):
            answer = api.infer([wide | {"shape": shape, "parameters": at("r", size)}], model="big")
            assert answer.status_code == 413, answer.text
        # and in parts
        part = {"shape": [each // 4], "datatype": "FP32", "parameters": at("r", each)}
        assert api.infer([part | {"name": f"x{number}"} for number in range(9)], model="big").status_code == 413
        assert api.infer([wide | {"shape": image, "parameters": at("r", each)}], model="big").status_code == 200
        with triton_grpc.InferenceServerClient(server.grpc) as client:
            given = triton_grpc.InferInput("image", [5, *image[1:]], "FP32")
            given.set_shared_memory("r", 5 * each)
            with pytest.raises(InferenceServerException, match=r"too large|at most|limit"):
                client.infer("big", [given])
    finally:
        file.unlink()


def test_nothing_is_left_of_regions_and_requests(server: RunningServer, api: Api) -> None:
    file = MEMORY / f"pumice-test-{uuid.uuid4().hex}"
    each = 4 * 3 * 224 * 224
    file.write_bytes(bytes(2 * each))
    wish = {"key": file.name, "byte_size": 2 * each}
    given = [{"name": "image", "shape": [1, 3, 224, 224], "datatype": "FP32", "parameters": at("r", each)}]
    wanted = [{"name": "same", "parameters": at("r", each, shared_memory_offset=each)}]

    def some() -> None:
        assert api.register("r", **wish).status_code == 200
        for _ in range(20):
            assert api.infer(given, wanted, "big").status_code == 200
            assert api.infer(given, [{"name": "same", "parameters": at("r", 8)}], "big").status_code == 400
        assert api.unregister("r").status_code == 200

    try:
        some()
        held = sum(file.name in link for link in links_of(server.process.pid))
        before = resident(server.process.pid)
        for _ in range(5):
            some()
        grown = resident(server.process.pid) - before
        assert held == sum(file.name in link for link in links_of(server.process.pid)) == 0
        # a copy that stays from each request would be 200 times this
        assert grown < 20 * each
    finally:
        file.unlink()


@pytest.mark.parametrize("on", [True, False])
def test_the_metadata_say_whether_it_is_on(tmp_path: Path, on: bool) -> None:
    with RunningServer("-f", settings(tmp_path, shared_memory=on), cwd=ROOT) as server:
        over_http = httpx.get(f"{server.url}/v2", timeout=60).json()["extensions"]
        with triton_grpc.InferenceServerClient(server.grpc) as client:
            over_grpc = client.get_server_metadata().extensions
            if not on:
                _off_over_grpc(client)
    assert ("system_shared_memory" in over_http) is ("system_shared_memory" in over_grpc) is on


def _off_over_grpc(client: Any) -> None:
    given = triton_grpc.InferInput("x", [1, 4], "FP32")
    given.set_shared_memory("r", 16)
    sent = triton_grpc.InferInput("x", [1, 4], "FP32")
    sent.set_data_from_numpy(np.ones((1, 4), np.float32))
    wanted = triton_grpc.InferRequestedOutput("y")
    wanted.set_shared_memory("r", 16)
    calls: list[Callable[[], object]] = [
        client.get_system_shared_memory_status,
        client.unregister_system_shared_memory,
        lambda: client.register_system_shared_memory("r", "x", 1),
        lambda: client.infer("double", [given]),
        lambda: client.infer("double", [sent], outputs=[wanted]),
    ]
    for call in calls:
        with pytest.raises(InferenceServerException) as refused:
            call()
        assert refused.value.status() == "StatusCode.UNIMPLEMENTED"


@pytest.mark.parametrize(
    ("more", "options", "said"),
    [
        ({"workers": 2}, [], "'shared_memory' with several 'workers'"),
        ({"host": "0.0.0.0"}, ["--insecure"], "without authentication"),  # noqa: S104 - it is refused
    ],
)
def test_it_is_not_on_where_it_cannot_be_kept(tmp_path: Path, more: Json, options: list[str], said: str) -> None:
    ports = ["--port", "0", "--grpc-port", "0"]
    done = pumice("serve", "-f", settings(tmp_path, **more), *options, *ports)
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_http_says_501_where_it_is_off() -> None:
    with RunningServer("double=tests.support.models:Doubler", cwd=ROOT) as server:
        api = Api(server.url)
        for answer in (
            api.status(),
            api.status("r"),
            api.register("r", key="x", byte_size=1),
            api.unregister(),
            api.unregister("r"),
            api.infer([x_at("r")]),
            api.infer([x_here()], [{"name": "y", "parameters": at("r")}]),
        ):
            assert answer.status_code == 501
            assert "operator" in answer.json()["error"]


def test_names_of_regions_are_what_callers_like(server: RunningServer, api: Api, memory: Path) -> None:
    with triton_http.InferenceServerClient(server.url.removeprefix("http://")) as client:
        for name in ("..", "é 好", "%2F"):
            client.register_system_shared_memory(name, memory.name, 64)
            given = triton_http.InferInput("x", [1, 4], "FP32")
            given.set_shared_memory(name, 16)
            np.testing.assert_array_equal(client.infer("double", [given]).as_numpy("y"), np.zeros((1, 4)))
            client.unregister_system_shared_memory(name)
    assert api.register("a%2Fb", key=memory.name, byte_size=64).status_code == 200
    assert api.infer([x_at("a/b")]).status_code == 200
    assert api.unregister("a%2Fb").status_code == 200
    assert api.status().json() == []
