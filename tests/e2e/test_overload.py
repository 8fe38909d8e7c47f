"""More requests than can be answered: who gets in, who waits, who is refused, and what each is told."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import grpc
import httpx
import numpy as np
import pytest
import yaml

from pumice import Client
from pumice.client.load import LoadJob, run_load
from pumice.protocol.oip.proto import open_inference_pb2 as pb
from tests.support.server import RunningServer
from tests.support.wire import body, busy, infer, metric, output, until

ROOT = Path(__file__).parents[2]
PLACES = 6
POLITE = "127.0.0.2"
"""Another caller: all of 127/8 is this machine."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    kinds = {"gated": "Gated", "turns": "Turns", "calls": "Calls", "slow": "TenMilliseconds"}
    models = [
        {"name": name, "source": f"tests.support.models:{kind}", "max_batch_size": 1} for name, kind in kinds.items()
    ]
    next(model for model in models if model["name"] == "calls")["cache_size"] = 100_000
    models.append({"name": "kept", "source": "tests.support.models:Turns", "cache_size": 100_000})
    file = tmp_path_factory.mktemp("server") / "pumice.yaml"
    file.write_text(yaml.safe_dump({"models": models, "max_queue": PLACES}), encoding="utf-8")
    with RunningServer("-f", str(file), cwd=ROOT) as running:
        yield running


def polite(url: str, model: str, **more: object) -> httpx.Response:
    with httpx.Client(transport=httpx.HTTPTransport(local_address=POLITE), timeout=60) as client:
        return client.post(f"{url}/v2/models/{model}/infer", json=body(**more))


@contextmanager
def full(url: str, model: str, gate: Path, **more: object) -> Iterator[list[Future[httpx.Response]]]:
    """Fill the queue of a model whose replica is busy until ``gate`` is made."""
    with ThreadPoolExecutor(PLACES) as pool, busy(url, model, gate):
        waiting = [pool.submit(infer, url, model, **more) for _ in range(PLACES)]  # type: ignore[arg-type]
        until(lambda: metric(url, "pumice_queue_depth", model=model) == PLACES)
        yield waiting
        gate.touch()


def statuses(answers: list[Future[httpx.Response]]) -> list[int]:
    return sorted(answer.result().status_code for answer in answers)


def test_a_full_queue_refuses_its_only_caller(server: RunningServer, tmp_path: Path) -> None:
    with full(server.url, "gated", tmp_path / "gate") as waiting:
        refused = infer(server.url, "gated")
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.headers["x-model-version"] == "1"
        assert f"{PLACES} requests are waiting" in refused.json()["error"]
    assert statuses(waiting) == [200] * PLACES


def test_a_polite_caller_gets_in_beside_a_greedy_one(server: RunningServer, tmp_path: Path) -> None:
    before = metric(server.url, "pumice_shed_total", model="turns", reason="share")
    with ThreadPoolExecutor(1) as pool, full(server.url, "turns", tmp_path / "gate") as waiting:
        mine = pool.submit(polite, server.url, "turns")
        until(lambda: any(answer.done() for answer in waiting))
        greedy = infer(server.url, "turns")
        assert greedy.status_code == 429
        assert int(greedy.headers["retry-after"]) >= 1
        assert "its share" in greedy.json()["error"]
    assert statuses(waiting) == [200] * (PLACES - 1) + [429]
    assert metric(server.url, "pumice_shed_total", model="turns", reason="share") == before + 2
    runs = [output(answer.result())[0] for answer in waiting if answer.result().status_code == 200]
    assert output(mine.result())[0] <= min(runs) + 1  # the turn after the first of the greedy one's


def test_an_urgent_request_takes_the_place_of_a_usual_one(server: RunningServer, tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool, full(server.url, "turns", tmp_path / "gate") as waiting:
        urgent = pool.submit(infer, server.url, "turns", parameters={"priority": 1})
        until(lambda: any(answer.done() for answer in waiting))
    assert statuses(waiting) == [200] * (PLACES - 1) + [503]
    runs = [output(answer.result())[0] for answer in waiting if answer.result().status_code == 200]
    assert output(urgent.result())[0] < min(runs)


def test_who_comes_back_as_told_gets_in(server: RunningServer, tmp_path: Path) -> None:
    with full(server.url, "gated", tmp_path / "gate") as waiting:
        assert infer(server.url, "gated").status_code == 503
        with ThreadPoolExecutor(1) as pool, Client(server.url) as client:
            before = metric(server.url, "pumice_shed_total", model="gated", reason="queue")
            again = pool.submit(client.infer, "gated", {"x": np.ones((1, 4), np.float32)})
            until(lambda: metric(server.url, "pumice_shed_total", model="gated", reason="queue") > before)
            (tmp_path / "gate").touch()
            np.testing.assert_array_equal(again.result()["y"], np.full((1, 4), 2, np.float32))
    assert statuses(waiting) == [200] * PLACES


def test_a_refusal_costs_no_decoding_and_no_connection(server: RunningServer, tmp_path: Path) -> None:
    address = urlsplit(server.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port or 0, timeout=60)

    def post(text: bytes) -> int:
        connection.request("POST", "/v2/models/gated/infer", text, {"content-type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        return answer.status

    whole = json.dumps(body()).encode()
    assert post(whole) == 200
    first = connection.sock
    with full(server.url, "gated", tmp_path / "gate") as waiting:
        before = metric(server.url, "pumice_shed_total", model="gated", reason="queue")
        assert post(whole) == 503
        assert post(b"{broken") == 503  # not looked at
        assert post(b'{broken "priority"') == 400  # its priority might get it in
        told = server.logged().count("requests are refused")
        assert [post(whole) for _ in range(20)] == [503] * 20
        assert server.logged().count("requests are refused") <= told + 1  # not a line each
        assert "requests are waiting" not in server.logged()
        assert metric(server.url, "pumice_shed_total", model="gated", reason="queue") == before + 22
    assert post(whole) == 200
    assert connection.sock is first
    connection.close()
    assert statuses(waiting) == [200] * PLACES


def kserve(url: str, model: str) -> None:
    httpx.post(
        f"{url}/v1/models/{model}:predict", json={"instances": [[1, 2, 3, 4]]}, timeout=httpx.Timeout(30, read=1)
    )


def rest(url: str, model: str) -> None:
    httpx.post(f"{url}/v2/models/{model}/infer", json=body(), timeout=httpx.Timeout(30, read=1))


@pytest.mark.parametrize("call", [rest, kserve])
@pytest.mark.parametrize("model", ["gated", "kept"])
def test_work_of_an_http_caller_that_went_away_is_not_done(
    server: RunningServer, tmp_path: Path, call: Callable[[str, str], None], model: str
) -> None:
    before = metric(server.url, "pumice_batch_size_count", model=model)
    with ThreadPoolExecutor(1) as pool, busy(server.url, model, tmp_path / "gate"):
        gone = pool.submit(call, server.url, model)
        until(lambda: metric(server.url, "pumice_queue_depth", model=model) == 1)
        with pytest.raises(httpx.ReadTimeout):
            gone.result()
        until(lambda: metric(server.url, "pumice_queue_depth", model=model) == 0)
    assert metric(server.url, "pumice_batch_size_count", model=model) == before + 1


def test_work_of_a_grpc_caller_that_went_away_is_not_done(server: RunningServer, tmp_path: Path) -> None:
    before = metric(server.url, "pumice_batch_size_count", model="gated")
    message = pb.ModelInferRequest(model_name="gated")
    message.inputs.add(name="x", datatype="FP32", shape=[1, 4])
    message.raw_input_contents.append(np.ones((1, 4), np.float32).tobytes())
    with grpc.insecure_channel(server.grpc) as channel, busy(server.url, "gated", tmp_path / "gate"):
        method = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer", None, None)
        call = method.future(message.SerializeToString())
        until(lambda: metric(server.url, "pumice_queue_depth", model="gated") == 1)
        call.cancel()  # type: ignore[no-untyped-call]
        until(lambda: metric(server.url, "pumice_queue_depth", model="gated") == 0)
    assert metric(server.url, "pumice_batch_size_count", model="gated") == before + 1


def test_a_flight_goes_on_for_those_who_still_wait(server: RunningServer, tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool, busy(server.url, "kept", tmp_path / "gate"):
        gone, stays = pool.submit(rest, server.url, "kept"), pool.submit(infer, server.url, "kept")
        until(lambda: metric(server.url, "pumice_cache_requests_total", model="kept", result="joined") >= 1)
        with pytest.raises(httpx.ReadTimeout):
            gone.result()
        assert metric(server.url, "pumice_queue_depth", model="kept") == 1
        (tmp_path / "gate").touch()
        assert stays.result().status_code == 200


def test_ten_times_the_capacity(server: RunningServer) -> None:
    url = f"{server.url}/v2/models/slow/infer"
    text = (json.dumps(body()).encode(),)
    alone = run_load(LoadJob(url=url, bodies=text, connections=4, seconds=1.0, warmup_seconds=0.5))
    capacity = alone.requests_per_second
    assert not alone.failed
    headers = {"x-timeout-ms": "200"}
    flood = run_load(
        LoadJob(
            url=url, bodies=text, headers=headers, connections=200, seconds=2.0, warmup_seconds=0.5, rate=10 * capacity
        )
    )
    assert set(flood.failures) <= {"status 503", "status 504", "unsent"}, flood.failure_examples
    assert flood.failures["status 503"] > capacity
    assert flood.requests_per_second > capacity / 10  # how close it comes is measured where it is quiet
    assert metric(server.url, "pumice_queue_depth", model="slow") == 0
    assert infer(server.url, "slow").status_code == 200
