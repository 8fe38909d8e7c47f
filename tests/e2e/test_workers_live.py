"""Models change while several front processes serve: every front changes with the server, and none mixes."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import tritonclient.http as triton  # type: ignore[import-untyped]
import yaml

from tests.engines.graphs import constant
from tests.support.server import RunningServer
from tests.support.wire import at_once, body, busy, infer, metric, output, until

ROOT = Path(__file__).parents[2]
FRONTS = 2


@contextmanager
def served(tmp_path: Path, models: list[dict[str, Any]], **settings: object) -> Iterator[RunningServer]:
    file = tmp_path / "pumice.yaml"
    file.write_text(yaml.safe_dump({"models": models, "workers": FRONTS, **settings}), encoding="utf-8")
    with RunningServer("-f", str(file), cwd=ROOT) as server:
        yield server


def on_each_front(stack: ExitStack, server: RunningServer) -> list[httpx.Client]:
    """Clients of one connection each; they are handed to one front after the other."""
    clients = [stack.enter_context(httpx.Client(base_url=server.url, timeout=60)) for _ in range(FRONTS)]
    for client in clients:
        assert client.get("/v2/health/live").status_code == 200
    return clients


def change(client: httpx.Client, verb: str, name: str, **config: object) -> httpx.Response:
    parameters = {"config": json.dumps(config)} if config else {}
    return client.post(f"/v2/repository/models/{name}/{verb}", json={"parameters": parameters})


def states(client: httpx.Client) -> dict[tuple[str, str], tuple[str, str]]:
    entries = client.post("/v2/repository/index").json()
    return {(entry["name"], entry["version"]): (entry["state"], entry["reason"]) for entry in entries}


def ask(client: httpx.Client, model: str) -> list[float]:
    return output(client.post(f"/v2/models/{model}/infer", json=body([[1.0] * 4, [2.0] * 4])))


def test_a_swap_under_load_fails_nothing_and_after_its_answer_no_front_has_the_old_one(tmp_path: Path) -> None:
    sources = {1.0: constant(tmp_path / "one", 1), 2.0: constant(tmp_path / "two", 2)}
    with served(tmp_path, [{"name": "m", "source": str(sources[1.0])}], model_roots=[str(tmp_path)]) as server:
        enough = threading.Event()
        answers: list[tuple[int, tuple[float, ...]]] = []

        def keep_asking() -> None:
            with httpx.Client(base_url=server.url, timeout=60) as client:
                while not enough.is_set():
                    answer = client.post("/v2/models/m/infer", json=body([[1.0] * 4, [2.0] * 4]))
                    numbers = tuple(answer.json()["outputs"][0]["data"]) if answer.status_code == 200 else ()
                    answers.append((answer.status_code, numbers))

        def more(count: int) -> None:
            wanted = len(answers) + count
            until(lambda: len(answers) >= wanted or all(call.done() for call in asking))

        with ExitStack() as stack, ThreadPoolExecutor(6) as pool:
            clients = on_each_front(stack, server)
            asking = [pool.submit(keep_asking) for _ in range(6)]
            try:
                more(50)
                for turn, value in enumerate((2.0, 1.0, 2.0, 1.0)):
                    # through one front and the other, and at once on both
                    told = change(clients[turn % FRONTS], "load", "m", source=str(sources[value]))
                    assert told.status_code == 200, told.text
                    for client in clients:
                        assert set(ask(client, "m")) == {value}
                    more(30)
            finally:
                enough.set()
            for call in asking:
                call.result()
            until(lambda: len(server.replicas()) == 1)
            for client in clients:
                assert states(client) == {("m", "1"): ("READY", "")}
        assert {status for status, _ in answers} == {200}
        assert {numbers for _, numbers in answers} == {(1.0,) * 8, (2.0,) * 8}
        assert metric(server.url, "pumice_model_loads_total", model="m") == 4
        assert metric(server.url, "pumice_requests_total", model="m", code="200") == len(answers) + 8


def test_unloading_through_one_front_ends_the_model_on_all_and_a_load_brings_it_back(tmp_path: Path) -> None:
    models = [{"name": name, "source": "tests.support.models:Doubler"} for name in ("double", "other")]
    with served(tmp_path, models) as server, ExitStack() as stack:
        one, two = on_each_front(stack, server)
        assert ask(one, "double")
        assert change(one, "unload", "double").status_code == 200
        assert len(server.replicas()) == 1
        for client in (one, two):
            answer = client.post("/v2/models/double/infer", json=body())
            assert answer.status_code == 404
            assert answer.json() == {"error": "model 'double' is not served; served: other"}
            assert states(client)["double", "1"] == ("UNAVAILABLE", "unloaded")
            assert client.get("/v2/health/ready").status_code == 200
        assert change(two, "unload", "none").status_code == 404
        assert change(two, "load", "none").status_code == 404
        assert change(two, "load", "double").status_code == 200
        for client in (one, two):
            assert ask(client, "double") == [2, 2, 2, 2, 4, 4, 4, 4]
        assert metric(server.url, "pumice_requests_total", model="double", code="200") == 3


def test_what_a_front_took_of_the_old_version_the_old_version_answers(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    models = [{"name": "gated", "source": "tests.support.models:Gated"}]
    with served(tmp_path, models, sandbox="off") as server, ExitStack() as stack:
        old = server.replicas()
        clients = on_each_front(stack, server)
        with busy(server.url, "gated", gate) as held:
            for client in clients:
                assert change(client, "load", "gated").status_code == 200
            for client in clients:
                assert output(client.post("/v2/models/gated/infer", json=body())) == [2, 4, 6, 8]
            assert not held.done()
            assert set(old) < set(server.replicas())
        assert held.result().status_code == 200
        until(lambda: len(server.replicas()) == len(old))
        assert server.replicas() != old


def test_errors_of_a_load_come_as_with_one_process_and_leave_what_is_served(tmp_path: Path) -> None:
    good = constant(tmp_path / "good", 1)
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"no model")
    with (
        served(tmp_path, [{"name": "m", "source": str(good)}], model_roots=[str(tmp_path)]) as server,
        ExitStack() as stack,
    ):
        replicas = server.replicas()
        for client in on_each_front(stack, server):
            answer = change(client, "load", "m", source=str(bad))
            assert answer.status_code == 400
            assert "load failed for model 'm'" in answer.json()["error"]
            assert change(client, "load", "m", source="os:path").status_code == 403
            answer = change(client, "load", "m", unheard="of")
            assert (answer.status_code, "unknown key 'unheard'" in answer.json()["error"]) == (400, True)
            assert set(ask(client, "m")) == {1.0}
            assert states(client) == {("m", "1"): ("READY", "")}
        assert server.replicas() == replicas


def test_files_of_a_caller_are_served_by_all_fronts_and_go_with_the_model(tmp_path: Path) -> None:
    content = constant(tmp_path / "m", 7).read_bytes()
    with (
        RunningServer("double=tests.support.models:Doubler", "--workers", "2", cwd=ROOT) as server,
        ExitStack() as stack,
    ):
        client = triton.InferenceServerClient(server.url.removeprefix("http://"))
        client.load_model("seven", config="{}", files={"file:1/model.onnx": content})
        clients = on_each_front(stack, server)
        for one in clients:
            assert set(ask(one, "seven")) == {7.0}
        assert list((server.home / "uploads").glob("*/*/1/model.onnx"))
        client.unload_model("seven")
        assert not list((server.home / "uploads").glob("*/*/*/*"))
        for one in clients:
            assert ("seven", "1") not in states(one)
        client.close()


def test_a_front_that_starts_in_the_middle_serves_what_the_others_do(tmp_path: Path) -> None:
    models = [{"name": name, "source": str(constant(tmp_path / name, n))} for n, name in enumerate("ab", 1)]
    with served(tmp_path, models, model_roots=[str(tmp_path)]) as server, ExitStack() as stack:
        with ExitStack() as first:
            one, _ = on_each_front(first, server)
            source = constant(tmp_path / "new", 9)
            assert change(one, "load", "a", source=str(source)).status_code == 200
            assert change(one, "load", "c", source=str(source)).status_code == 200
            assert change(one, "unload", "b").status_code == 200
        for pid in server.fronts():
            began = server.logged().count("front serves")
            ended = server.logged().count("front ended")
            os.kill(pid, signal.SIGKILL)
            # a connection that is handed to it while it dies is lost with it
            until(lambda: server.logged().count("front ended") > ended)  # noqa: B023 - ends in the turn
            # while one is gone the other changes too
            with httpx.Client(base_url=server.url, timeout=60) as client:
                assert change(client, "load", "c", source=str(source)).status_code == 200
            until(lambda: server.logged().count("front serves") > began)  # noqa: B023 - ends in the turn
        for client in on_each_front(stack, server):
            assert set(ask(client, "a")) == {9.0}
            assert set(ask(client, "c")) == {9.0}
            assert client.post("/v2/models/b/infer", json=body()).status_code == 404
            assert states(client)["b", "1"] == ("UNAVAILABLE", "unloaded")
            assert client.get("/v2/health/ready").status_code == 200
            assert change(client, "unload", "c").status_code == 200
            assert change(client, "load", "c", source=str(source)).status_code == 200


def test_an_idle_model_sleeps_and_a_request_at_any_front_wakes_it_once(tmp_path: Path) -> None:
    models = [{"name": name, "source": str(constant(tmp_path / name, n))} for n, name in enumerate("abc", 1)]
    with served(tmp_path, models, max_loaded=1) as server, ExitStack() as stack:
        clients = on_each_front(stack, server)
        assert metric(server.url, "pumice_replicas") == 0
        for client in clients:
            assert client.get("/v2/health/ready").status_code == 200
            assert states(client)["a", "1"] == ("UNAVAILABLE", "not loaded yet: a request loads it")
        told = at_once([lambda: infer(server.url, "a")] * 8)
        assert {output(answer)[0] for answer in told} == {1.0}
        assert metric(server.url, "pumice_model_loads_total", model="a") == 1
        for client in clients:
            assert set(ask(client, "b")) == {2.0}
            assert states(client)["a", "1"] == ("UNAVAILABLE", "unloaded: idle; a request loads it")
        assert len(server.replicas()) == 1
        # both fronts want what is asleep, again and again
        with ThreadPoolExecutor(FRONTS) as pool:
            turns = list(pool.map(lambda client: [ask(client, name)[0] for name in "abc" * 2], clients))
        assert turns == [[1.0, 2.0, 3.0] * 2] * FRONTS
        until(lambda: len(server.replicas()) == 1)
        assert metric(server.url, "pumice_model_evictions_total") >= 3


def test_the_version_that_the_fronts_asked_last_stays_in_memory(tmp_path: Path) -> None:
    models = [{"name": name, "source": str(constant(tmp_path / name, n))} for n, name in enumerate("abc", 1)]
    with served(tmp_path, models, max_loaded=2) as server, ExitStack() as stack:
        one, two = on_each_front(stack, server)
        assert ask(one, "a")
        assert ask(one, "b")
        kept: Counter[bool] = Counter()
        # a is asked through the other front, until the parent has heard of it
        for _ in range(3):
            heard = threading.Event()
            threading.Timer(1.2, heard.set).start()
            until(lambda: bool(ask(two, "a")) and heard.is_set())  # noqa: B023 - ends in the turn
            assert ask(one, "c" if "READY" in states(one)["b", "1"] else "b")
            kept["READY" in states(one)["a", "1"]] += 1
        assert kept == {True: 3}
        assert metric(server.url, "pumice_model_evictions_total", model="a") == 0


def test_a_model_that_cannot_be_woken_says_why_at_every_front(tmp_path: Path) -> None:
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"no model")
    models: list[dict[str, Any]] = [
        {"name": "bad", "source": str(bad), "preload": False},
        {"name": "double", "source": "tests.support.models:Doubler"},
    ]
    with served(tmp_path, models) as server, ExitStack() as stack:
        one, two = on_each_front(stack, server)
        for client in (one, two):
            answer = client.post("/v2/models/bad/infer", json=body())
            assert (answer.status_code, "bad.onnx" in answer.json()["error"]) == (503, True)
            assert client.get("/v2/models/bad/ready").status_code == 503
            assert client.get("/v2/health/ready").status_code == 200
            assert ask(client, "double")
