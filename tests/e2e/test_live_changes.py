"""Models change while the server serves: real replicas, real callers, and the public client."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
import tritonclient.grpc as triton_grpc  # type: ignore[import-untyped]
import tritonclient.http as triton  # type: ignore[import-untyped]
import yaml
from tritonclient.utils import InferenceServerException  # type: ignore[import-untyped]

from pumice.protocol.oip.proto import open_inference_pb2 as pb
from tests.engines.graphs import constant
from tests.soak.census import links_of
from tests.support.server import RunningServer
from tests.support.wire import at_once, body, busy, infer, metric, output, until

ROOT = Path(__file__).parents[2]


def client_of(server: RunningServer) -> triton.InferenceServerClient:
    return triton.InferenceServerClient(server.url.removeprefix("http://"), network_timeout=60, connection_timeout=60)


def states(server: RunningServer) -> dict[tuple[str, str], tuple[str, str]]:
    entries = httpx.post(f"{server.url}/v2/repository/index", timeout=60).json()
    return {(entry["name"], entry["version"]): (entry["state"], entry["reason"]) for entry in entries}


def load(server: RunningServer, name: str, **config: object) -> httpx.Response:
    parameters = {"config": json.dumps(config)} if config else {}
    url = f"{server.url}/v2/repository/models/{name}/load"
    return httpx.post(url, json={"parameters": parameters}, timeout=60)


def unload(server: RunningServer, name: str, **parameters: object) -> httpx.Response:
    url = f"{server.url}/v2/repository/models/{name}/unload"
    return httpx.post(url, json={"parameters": parameters}, timeout=60)


@contextmanager
def served(tmp_path: Path, models: list[dict[str, Any]], **settings: object) -> Iterator[RunningServer]:
    file = tmp_path / "pumice.yaml"
    file.write_text(yaml.safe_dump({"models": models, **settings}), encoding="utf-8")
    with RunningServer("-f", str(file), cwd=ROOT) as server:
        yield server


class Callers:
    """Callers that ask the same model all the time, each over a connection of its own."""

    def __init__(self, server: RunningServer, model: str, count: int) -> None:
        self._enough = threading.Event()
        self._pool = ThreadPoolExecutor(count)
        self.answers: list[tuple[int, str, tuple[float, ...]]] = []
        self._running = [self._pool.submit(self._ask, f"{server.url}/v2/models/{model}/infer") for _ in range(count)]

    def _ask(self, url: str) -> None:
        with httpx.Client(timeout=60) as client:
            while not self._enough.is_set():
                answer = client.post(url, json=body([[1.0] * 4, [2.0] * 4]))
                numbers = tuple(answer.json()["outputs"][0]["data"]) if answer.status_code == 200 else ()
                self.answers.append((answer.status_code, answer.headers.get("x-model-version", ""), numbers))

    def more(self, count: int) -> None:
        """Wait until so many more answers have come."""
        wanted = len(self.answers) + count
        until(lambda: len(self.answers) >= wanted or all(call.done() for call in self._running))

    def stop(self) -> None:
        self._enough.set()
        for call in self._running:
            call.result()
        self._pool.shutdown()


def test_a_swap_under_load_fails_nothing_and_mixes_nothing(tmp_path: Path) -> None:
    old, new = constant(tmp_path / "old", 1), constant(tmp_path / "new", 2)
    with served(tmp_path, [{"name": "m", "source": str(old)}], model_roots=[str(tmp_path)]) as server:
        callers = Callers(server, "m", 6)
        callers.more(50)
        for source, version in ((new, "1"), (old, "1"), (new, "2")):
            assert load(server, "m", source=str(source), version=version).status_code == 200
            # who asks from here on is answered by the new one
            assert set(output(infer(server.url, "m"))) == {1.0 if source == old else 2.0}
            callers.more(30)
        callers.stop()
        until(lambda: len(server.replicas()) == 2)
        assert states(server) == {("m", "1"): ("READY", ""), ("m", "2"): ("READY", "")}
    assert {status for status, _, _ in callers.answers} == {200}
    assert {numbers for _, _, numbers in callers.answers} == {(1.0,) * 8, (2.0,) * 8}
    assert {numbers for _, version, numbers in callers.answers if version == "2"} == {(2.0,) * 8}


def test_what_the_old_version_took_it_answers(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with RunningServer("gated=tests.support.models:Gated", cwd=ROOT) as server:
        old = server.replicas()
        with busy(server.url, "gated", gate) as held:
            assert load(server, "gated").status_code == 200
            assert output(infer(server.url, "gated")) == [2.0, 4.0, 6.0, 8.0]
            assert not held.done()
            assert set(old) < set(server.replicas())
        assert held.result().status_code == 200
        until(lambda: len(server.replicas()) == 1)
        assert server.replicas() != old


def test_swaps_leave_no_shared_memory_behind(tmp_path: Path) -> None:
    with served(tmp_path, [{"name": "m", "source": str(constant(tmp_path / "m", 1))}]) as server:

        def held() -> int:
            return sum("memfd:pumice" in link for link in links_of(server.process.pid))

        before = held()
        for _ in range(3):
            assert load(server, "m").status_code == 200
            assert set(output(infer(server.url, "m"))) == {1.0}
        until(lambda: len(server.replicas()) == 1)
        until(lambda: held() == before)


def test_a_load_that_fails_leaves_what_is_served(tmp_path: Path) -> None:
    good = constant(tmp_path / "good", 1)
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"no model")
    with served(tmp_path, [{"name": "m", "source": str(good)}], model_roots=[str(tmp_path)]) as server:
        replicas = server.replicas()
        answer = load(server, "m", source=str(bad))
        assert answer.status_code == 400
        assert "load failed for model 'm'" in answer.json()["error"]
        assert load(server, "m", source=str(tmp_path / "none.onnx")).status_code == 400
        assert set(output(infer(server.url, "m"))) == {1.0}
        assert server.replicas() == replicas
        assert states(server) == {("m", "1"): ("READY", "")}


def test_unloading_gives_processes_and_memory_back_and_loading_brings_them_again(tmp_path: Path) -> None:
    with RunningServer("double=tests.support.models:Doubler", "shout=tests.support.models:Shout", cwd=ROOT) as server:
        client = client_of(server)
        replicas = server.replicas()
        client.unload_model("double")
        assert len(server.replicas()) == 1
        assert set(server.replicas()) < set(replicas)
        answer = infer(server.url, "double")
        assert (answer.status_code, answer.json()) == (404, {"error": "model 'double' is not served; served: shout"})
        assert httpx.get(f"{server.url}/v2/models/double/ready").status_code == 404
        assert not client.is_model_ready("double")
        assert states(server)["double", "1"] == ("UNAVAILABLE", "unloaded")
        ready = httpx.post(f"{server.url}/v2/repository/index", json={"ready": True}).json()
        assert [entry["name"] for entry in ready] == ["shout"]
        assert httpx.get(f"{server.url}/v2/health/ready").status_code == 200
        client.unload_model("double", unload_dependents=True)
        client.load_model("double")
        assert client.is_model_ready("double")
        assert output(infer(server.url, "double")) == [2.0, 4.0, 6.0, 8.0]
        with pytest.raises(InferenceServerException, match="'none' is not served"):
            client.unload_model("none")
        with pytest.raises(InferenceServerException, match="'none' is not served"):
            client.load_model("none")


def test_tritons_grpc_client_loads_and_unloads(tmp_path: Path) -> None:
    content = constant(tmp_path / "m", 7).read_bytes()
    with (
        RunningServer("double=tests.support.models:Doubler", cwd=ROOT) as server,
        triton_grpc.InferenceServerClient(server.grpc) as client,
    ):
        config = json.dumps({"backend": "onnxruntime", "max_batch_size": 4})
        client.load_model("seven", config=config, files={"file:1/model.onnx": content})
        assert client.is_model_ready("seven")
        assert set(output(infer(server.url, "seven"))) == {7.0}
        client.unload_model("double", unload_dependents=True)
        index = {(entry.name, entry.state, entry.reason) for entry in client.get_model_repository_index().models}
        assert index == {("seven", "READY", ""), ("double", "UNAVAILABLE", "unloaded")}
        assert infer(server.url, "double").status_code == 404
        client.load_model("double")
        assert output(infer(server.url, "double")) == [2.0, 4.0, 6.0, 8.0]
        client.unload_model("seven")
        refusals: list[tuple[Callable[[], object], str]] = [
            (lambda: client.load_model("none"), "'none' is not served"),
            (lambda: client.unload_model("none"), "'none' is not served"),
            (lambda: client.load_model("double", config="no JSON"), "no JSON"),
            (lambda: client.load_model(""), "name the model"),
        ]
        for refused, message in refusals:
            with pytest.raises(InferenceServerException, match=message):
                refused()
        acts = [json.loads(line) for line in (server.home / "audit.jsonl").read_text(encoding="utf-8").splitlines()]
        load_act, unload_act = (f"/inference.GRPCInferenceService/RepositoryModel{act}" for act in ("Load", "Unload"))
        told = [(act["what"], act["target"].get("model"), act["result"].partition(" (")[0]) for act in acts]
        assert told == [
            (load_act, "seven", "done"),
            (unload_act, "double", "done"),
            (load_act, "double", "done"),
            (unload_act, "seven", "done"),
            (load_act, "none", "failed: model 'none' is not served; served: double"),
            (unload_act, "none", "failed: model 'none' is not served; served: double"),
            (load_act, "double", "failed: parameter 'config': no JSON: Expecting value: line 1 column 1"),
            (load_act, "", "failed: 'model_name': missing; name the model"),
        ]


def test_kserves_clients_name_the_model_in_the_first_field() -> None:
    service = "/inference.GRPCInferenceService/RepositoryModel"
    with (
        RunningServer("double=tests.support.models:Doubler", cwd=ROOT) as server,
        grpc.insecure_channel(server.grpc) as channel,
    ):
        unload_call = channel.unary_unary(f"{service}Unload", None, pb.RepositoryModelUnloadResponse.FromString)
        # their message has one field: `string model_name = 1`
        answer = unload_call(b"\x0a\x06double", timeout=60)
        assert (answer.model_name, answer.isUnloaded) == ("double", True)
        assert infer(server.url, "double").status_code == 404
        load_call = channel.unary_unary(f"{service}Load", None, pb.RepositoryModelLoadResponse.FromString)
        loaded = load_call(b"\x0a\x06double", timeout=60)
        assert (loaded.model_name, loaded.isLoaded) == ("double", True)
        assert infer(server.url, "double").status_code == 200


def test_files_of_a_caller_are_served_and_go_with_the_model(tmp_path: Path) -> None:
    content = constant(tmp_path / "m", 7).read_bytes()
    with RunningServer("double=tests.support.models:Doubler", cwd=ROOT) as server:
        client = client_of(server)
        config = json.dumps({"backend": "onnxruntime", "max_batch_size": 4, "instance_group": [{"count": 2}]})
        client.load_model("seven", config=config, files={"file:1/model.onnx": content, "file:2/model.onnx": content})
        assert set(output(infer(server.url, "seven"))) == {7.0}
        assert states(server)["seven", "2"] == ("READY", "")
        assert metric(server.url, "pumice_replicas", model="seven", state="ready") == 2
        assert list((server.home / "uploads").glob("*/*/2/model.onnx"))
        client.unload_model("seven")
        assert not list((server.home / "uploads").glob("*/*/*/*"))
        assert ("seven", "2") not in states(server)


@pytest.mark.parametrize("path", ["../model.onnx", "/etc/model.onnx", "1/../../m", "1//m", "a\\..\\m", "a\0b", ".", ""])
def test_a_path_that_leads_out_of_the_models_folder_is_refused(any_server: RunningServer, path: str) -> None:
    parameters = {f"file:{path}": "AAAA"}
    url = f"{any_server.url}/v2/repository/models/evil/load"
    answer = httpx.post(url, json={"parameters": parameters}, timeout=60)
    assert answer.status_code == 400
    assert "no path inside of the model's folder" in answer.json()["error"]
    assert not (any_server.home / "uploads").exists()


def test_what_the_operator_has_not_named_is_not_loaded(any_server: RunningServer, tmp_path: Path) -> None:
    outside = constant(tmp_path / "outside", 1)
    link = any_server.home / "link.onnx"
    any_server.home.mkdir(exist_ok=True)
    link.symlink_to(outside)
    for config in (
        {"source": str(outside)},
        {"source": str(link)},
        {"source": f"{any_server.home}/../../../../../{outside}"},
        {"source": "tests.engines.models:Doubler"},
        {"source": "os:path"},
        {"source": "tests.support.models:Doubler", "manifest": {"tokenizer": "/etc/passwd"}},
        {"source": "tests.support.models:Doubler", "manifest": {"options": {"custom_ops": "/etc/evil.so"}}},
    ):
        assert load(any_server, "evil", **config).status_code == 403, config
    for key, value in (("sandbox", "off"), ("network", True), ("trust", {"custom_ops": ["/etc/evil.so"]})):
        answer = load(any_server, "double", **{key: value})
        assert (answer.status_code, "operator's to set" in answer.json()["error"]) == (400, True)


def test_python_code_that_a_caller_sends_is_not_run(any_server: RunningServer, tmp_path: Path) -> None:
    code = f"open({str(tmp_path / 'ran')!r}, 'w')".encode()
    manifest = json.dumps({"model": "evil:Evil", "format": "python"}).encode()
    with pytest.raises(InferenceServerException, match=r"refused.*Python class"):
        client_of(any_server).load_model(
            "evil", config="{}", files={"file:manifest.json": manifest, "file:evil.py": code}
        )
    assert not (tmp_path / "ran").exists()
    assert not list((any_server.home / "uploads").glob("*/*/*"))


def test_the_folders_of_triton_are_versions_and_a_new_one_comes_with_a_load(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "m"
    for number in (1, 2, 10):
        constant(folder / str(number), number)
    models: list[dict[str, Any]] = [
        {"name": "newest", "source": str(folder)},
        {"name": "all", "source": str(folder), "versions": "all"},
        {"name": "two", "source": str(folder), "versions": ["2"]},
    ]
    with served(tmp_path, models) as server:

        def answer(model: str, version: str = "") -> float:
            path = f"{model}/versions/{version}" if version else model
            return output(infer(server.url, path))[0]

        assert [answer("newest"), answer("all"), answer("two")] == [10, 10, 2]
        assert [answer("all", number) for number in ("1", "2", "10")] == [1, 2, 10]
        assert httpx.get(f"{server.url}/v2/models/all").json()["versions"] == ["1", "2", "10"]
        assert infer(server.url, "newest/versions/2").status_code == 404
        constant(folder / "11", 11)
        assert load(server, "newest").status_code == 200
        assert (answer("newest"), answer("all")) == (11, 10)
        assert infer(server.url, "newest/versions/10").status_code == 404
        assert unload(server, "all", version="10").status_code == 200
        assert answer("all") == 2
        assert load(server, "all", version="10").status_code == 200
        assert answer("all") == 10


def test_versions_stand_side_by_side_and_the_highest_number_is_the_newest(tmp_path: Path) -> None:
    models = [
        {"name": "m", "version": number, "source": str(constant(tmp_path / number, float(number)))}
        for number in ("2", "10", "9")
    ]
    with served(tmp_path, models, model_roots=[str(tmp_path)]) as server:
        assert output(infer(server.url, "m"))[0] == 10
        assert [output(infer(server.url, f"m/versions/{number}"))[0] for number in ("2", "9", "10")] == [2, 9, 10]
        answer = load(server, "m", source=str(tmp_path / "2" / "model.onnx"))
        assert (answer.status_code, "name the 'version'" in answer.json()["error"]) == (400, True)


def test_an_idle_model_sleeps_and_its_next_request_wakes_it_once(tmp_path: Path) -> None:
    models = [
        {"name": name, "source": str(constant(tmp_path / name, number))} for number, name in enumerate("abc", start=1)
    ]
    with served(tmp_path, models, max_loaded=1) as server:
        assert metric(server.url, "pumice_replicas", model="a") == 0
        assert httpx.get(f"{server.url}/v2/health/ready").status_code == 200
        assert states(server)["a", "1"] == ("UNAVAILABLE", "not loaded yet: a request loads it")
        calls: list[Callable[[], httpx.Response]] = [lambda: infer(server.url, "a")] * 8
        assert {output(answer)[0] for answer in at_once(calls)} == {1.0}
        assert metric(server.url, "pumice_model_loads_total", model="a") == 1
        assert output(infer(server.url, "b"))[0] == 2.0
        assert len(server.replicas()) == 1
        assert states(server)["a", "1"] == ("UNAVAILABLE", "unloaded: idle; a request loads it")
        ready = httpx.get(f"{server.url}/v2/models/a/ready")
        assert (ready.status_code, ready.json()["reason"]) == (200, "unloaded: idle; a request loads it")
        # every face wakes it
        assert httpx.get(f"{server.url}/v2/models/c", timeout=60).json()["inputs"][0]["shape"] == [-1, 4]
        instances = httpx.post(f"{server.url}/v1/models/a:predict", json={"instances": [[0.0] * 4]}, timeout=60)
        assert instances.json() == {"predictions": [[1.0] * 4]}
        assert metric(server.url, "pumice_model_evictions_total", model="a") == 1
        late = infer(server.url, "b", headers={"x-timeout-ms": "1"})
        assert late.status_code == 504


def test_streams_and_large_tasks_wake_a_model(tmp_path: Path) -> None:
    names = ("infer_stream", "generate", "generate_stream", "grpc", "task")
    models = [{"name": name, "source": str(constant(tmp_path / name, 3))} for name in names]
    ones = {"inputs": [{"name": "x", "shape": [200, 4], "datatype": "FP32", "data": [1.0] * 800}]}
    with served(tmp_path, models, max_loaded=1) as server:

        def asleep(name: str) -> bool:
            return states(server)[name, "1"][0] == "UNAVAILABLE"

        def said(path: str, given: object) -> httpx.Response:
            assert asleep(path)
            return httpx.post(f"{server.url}/v2/models/{path}/{path}", json=given, timeout=60)

        # each wakes its own, and sends the one before to sleep
        part = said("infer_stream", body()).text
        assert json.loads(part.removeprefix("data: "))["outputs"][0]["data"] == [3.0] * 4
        assert said("generate", {"x": [1, 2, 3, 4]}).json()["y"] == [3.0] * 4
        assert json.loads(said("generate_stream", {"x": [1, 2, 3, 4]}).text.removeprefix("data: "))["y"] == [3.0] * 4
        assert asleep("grpc")
        answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
        with triton_grpc.InferenceServerClient(server.grpc) as client:
            client.start_stream(lambda result, error: answers.put((result, error)))
            x = triton_grpc.InferInput("x", [1, 4], "FP32")
            x.set_data_from_numpy(np.ones((1, 4), np.float32))
            client.async_stream_infer("grpc", [x])
            result, error = answers.get(timeout=60)
            client.stop_stream()
        assert error is None
        assert result.as_numpy("y").tolist() == [[3.0] * 4]
        assert asleep("task")
        done = httpx.post(
            f"{server.url}/predict", json={"model": "task", **ones}, headers={"prefer": "wait=60"}, timeout=90
        )
        assert (done.status_code, done.json()["status"]) == (200, "completed"), done.text
        assert set(done.json()["result"][0]["data"]) == {3.0}
        assert asleep("grpc")


def test_a_model_that_cannot_be_woken_says_why_and_the_server_stays_ready(tmp_path: Path) -> None:
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"no model")
    models = [{"name": "bad", "source": str(bad), "preload": False}]
    with served(tmp_path, [*models, {"name": "double", "source": "tests.support.models:Doubler"}]) as server:
        answer = infer(server.url, "bad")
        assert (answer.status_code, "bad.onnx" in answer.json()["error"]) == (503, True)
        assert httpx.get(f"{server.url}/v2/models/bad/ready").status_code == 503
        assert httpx.get(f"{server.url}/v2/health/ready").status_code == 200
        assert infer(server.url, "double").status_code == 200


@pytest.fixture(scope="module")
def any_server() -> Iterator[RunningServer]:
    with RunningServer("double=tests.support.models:Doubler", cwd=ROOT) as server:
        yield server
