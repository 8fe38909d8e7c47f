"""What holds for a whole server of several front processes: keys, limits, TLS, streams, tasks, connections."""

from __future__ import annotations

import json
import os
import signal
import ssl
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import grpc
import httpx
import numpy as np
import pytest
import tritonclient.grpc as triton  # type: ignore[import-untyped]

from pumice.service.access.keys import KeyStore
from pumice.service.access.types import KeyWish
from tests.support.certificates import certificate
from tests.support.server import RunningServer
from tests.support.wire import body, metric, output, until

ROOT = Path(__file__).parents[2]
DOUBLER = "double=tests.support.models:Doubler"
INFER = "/v2/models/double/infer"
FRONTS = 2
REVOKED_WITHIN_S = 1.0


def on_each_front(stack: ExitStack, url: str, **more: object) -> list[httpx.Client]:
    """Clients of one connection each; they are handed to one front after the other."""
    limits = httpx.Limits(max_connections=1)
    clients = [
        stack.enter_context(httpx.Client(base_url=url, timeout=60, limits=limits, **more))  # type: ignore[arg-type]
        for _ in range(FRONTS)
    ]
    for client in clients:
        assert client.get("/v2/health/live").status_code == 200
    return clients


def test_a_key_that_is_revoked_through_one_front_is_refused_by_all_within_a_second(tmp_path: Path) -> None:
    store = KeyStore.open(tmp_path)
    admin = store.create(KeyWish(name="admin", scopes=["manage:*"]), "test").key
    caller = store.create(KeyWish(name="caller", scopes=["infer:*"]), "test")
    with (
        RunningServer(DOUBLER, "--workers", "2", "--auth", "keys", home=tmp_path, cwd=ROOT) as server,
        ExitStack() as stack,
    ):
        clients = on_each_front(stack, server.url)
        asks = {"authorization": f"Bearer {caller.key}"}
        for client in clients:
            assert output(client.post(INFER, json=body(), headers=asks)) == [2, 4, 6, 8]
            assert client.post(INFER, json=body()).status_code == 401
        # one that is made through one front is known to the other
        made = clients[0].post(
            "/api/keys", json={"name": "new", "scopes": ["infer:*"]}, headers={"authorization": f"Bearer {admin}"}
        )
        assert made.status_code == 201, made.text
        new = {"authorization": f"Bearer {made.json()['key']}"}
        for client in clients:
            until(lambda: client.post(INFER, json=body(), headers=new).status_code == 200)  # noqa: B023
        path = f"/api/keys/{caller.info.id}"
        assert clients[0].delete(path, headers={"authorization": f"Bearer {admin}"}).status_code in {200, 204}
        since = time.monotonic()
        for client in clients:
            until(lambda: client.post(INFER, json=body(), headers=asks).status_code == 401)  # noqa: B023
        assert time.monotonic() - since < REVOKED_WITHIN_S
    store.close()


def test_fronts_share_one_limit_for_each_key(tmp_path: Path) -> None:
    store = KeyStore.open(tmp_path)
    slow = store.create(KeyWish(name="slow", scopes=["infer:*"], rate=0.01, burst=10), "test").key
    with (
        RunningServer(DOUBLER, "--workers", "2", "--auth", "keys", home=tmp_path, cwd=ROOT) as server,
        ExitStack() as stack,
    ):
        clients = on_each_front(stack, server.url)
        asks = {"authorization": f"Bearer {slow}"}

        def ask(client: httpx.Client) -> list[int]:
            return [client.post(INFER, json=body(), headers=asks).status_code for _ in range(20)]

        with ThreadPoolExecutor(FRONTS) as pool:
            told = list(pool.map(ask, clients))
        assert Counter(code for codes in told for code in codes) == {200: 10, 429: 30}
        assert all(429 in codes for codes in told)
    store.close()


def test_fronts_speak_tls_over_connections_that_were_handed_to_them(tmp_path: Path) -> None:
    authority, stranger = certificate(tmp_path, "our-ca"), certificate(tmp_path, "their-ca")
    own = certificate(tmp_path, "server", authority)
    context = ssl.create_default_context(cafile=str(authority.cert))
    wrong = ssl.create_default_context(cafile=str(stranger.cert))
    tls = ("--tls-cert", str(own.cert), "--tls-key", str(own.key))
    with RunningServer(DOUBLER, "--workers", "2", *tls, cwd=ROOT) as server, ExitStack() as stack:
        assert server.url.startswith("https://")
        big = np.ones((2000, 4), np.float32)
        for client in on_each_front(stack, server.url, verify=context):
            for _ in range(3):
                assert output(client.post(INFER, json=body())) == [2, 4, 6, 8]
            assert output(client.post(INFER, json=body(big))) == [2.0] * 8000
            assert client.get("/v2/models/double").json()["name"] == "double"
        for _ in range(FRONTS):
            with pytest.raises(httpx.ConnectError):
                httpx.get(f"{server.url}/v2/health/live", verify=wrong)
            with pytest.raises(httpx.TransportError):
                httpx.get(f"{server.url.replace('https', 'http')}/v2/health/live")
        credentials = grpc.ssl_channel_credentials(authority.cert.read_bytes())
        for number in range(4):
            options = [("grpc.use_local_subchannel_pool", 1), ("n", number)]
            with grpc.secure_channel(server.grpc, credentials, options) as channel:
                live: bytes = channel.unary_unary("/inference.GRPCInferenceService/ServerLive", None, None)(
                    b"", timeout=30
                )
                assert live == b"\x08\x01"
        assert "Traceback" not in server.logged()


def test_streams_come_from_every_front(tmp_path: Path) -> None:
    del tmp_path
    with (
        RunningServer("counter=tests.support.models:Counter", "--workers", "2", cwd=ROOT) as server,
        ExitStack() as stack,
    ):
        for client in on_each_front(stack, server.url):
            answer = client.post("/v2/models/counter/generate_stream", json={"n": 40})
            assert answer.headers["content-type"].startswith("text/event-stream")
            events = [json.loads(event.removeprefix("data: ")) for event in answer.text.split("\n\n") if event]
            assert [event["i"] for event in events] == list(range(40))
        for _ in range(4):
            assert _numbers_by_grpc(server.grpc, 20) == list(range(20))
        # the two fronts' streams share the one replica
        with ThreadPoolExecutor(4) as pool:
            assert (
                list(pool.map(lambda count: _numbers_by_grpc(server.grpc, count), [200] * 4)) == [list(range(200))] * 4
            )
        assert metric(server.url, "pumice_inflight_requests") == 0


def _numbers_by_grpc(address: str, count: int) -> list[int]:
    numbers: list[int] = []
    done = threading.Event()
    problems: list[object] = []

    def take(result: triton.InferResult, error: object) -> None:
        if error is not None:
            problems.append(error)
            done.set()
            return
        numbers.append(int(result.as_numpy("i")[0]))
        if len(numbers) == count:
            done.set()

    client = triton.InferenceServerClient(address, channel_args=[("grpc.use_local_subchannel_pool", 1)])
    try:
        client.start_stream(take)
        given = triton.InferInput("n", [1], "INT64")
        given.set_data_from_numpy(np.array([count], np.int64))
        client.async_stream_infer("counter", [given])
        assert done.wait(60)
        assert not problems
    finally:
        client.stop_stream()
        client.close()
    return numbers


def test_a_front_that_is_killed_under_load_takes_no_connection_of_another_along() -> None:
    with RunningServer(DOUBLER, "--workers", "2", "--replicas", "2", cwd=ROOT) as server, ExitStack() as stack:
        victim, _ = server.fronts()
        # connections that are not made again: httpx would do so where none of its requests was under way
        connections = [stack.enter_context(closing(one_connection(server.url))) for _ in range(4 * FRONTS)]
        enough = threading.Event()

        def ask(connection: HTTPConnection) -> tuple[int, int]:
            good = 0
            while not enough.is_set():
                try:
                    connection.request("POST", INFER, json.dumps(body()))
                    answer = connection.getresponse()
                    told = json.loads(answer.read())
                except (OSError, HTTPException):
                    return good, 1
                assert (answer.status, told["outputs"][0]["data"]) == (200, [2, 4, 6, 8])
                good += 1
            return good, 0

        with ThreadPoolExecutor(len(connections)) as pool:
            asking = [pool.submit(ask, connection) for connection in connections]
            until(lambda: metric(server.url, "pumice_requests_total", code="200") > 50)
            os.kill(victim, signal.SIGKILL)
            until(lambda: sum(call.done() for call in asking) == len(connections) // FRONTS)
            until(lambda: "front serves" in server.logged().split("front ended")[-1])
            enough.set()
            results = [call.result() for call in asking]
        assert sum(failed for _, failed in results) == len(connections) // FRONTS
        assert all(good for good, _ in results)
        assert metric(server.url, "pumice_replica_restarts_total") == 0
        for client in on_each_front(stack, server.url):
            assert output(client.post(INFER, json=body())) == [2, 4, 6, 8]


def one_connection(url: str) -> HTTPConnection:
    """A connection that serves as long as it lives."""
    connection = HTTPConnection("127.0.0.1", int(url.rpartition(":")[2]), timeout=60)
    connection.connect()
    connection.auto_open = 0
    connection.request("GET", "/v2/health/live")
    assert connection.getresponse().read()
    return connection


def test_tasks_of_one_caller_are_counted_and_kept_apart_across_fronts(tmp_path: Path) -> None:
    store = KeyStore.open(tmp_path)
    one = store.create(KeyWish(name="one", scopes=["infer:double"]), "test").key
    two = store.create(KeyWish(name="two", scopes=["infer:other"]), "test").key
    reader = store.create(KeyWish(name="reader", scopes=["read:*"]), "test").key
    with (
        RunningServer(DOUBLER, "--workers", "2", "--auth", "keys", home=tmp_path, cwd=ROOT) as server,
        ExitStack() as stack,
    ):
        clients = on_each_front(stack, server.url)
        tasks = []
        for client in clients:
            answer = client.post("/predict", json=body(), headers={"authorization": f"Bearer {one}"})
            assert answer.status_code == 202, answer.text
            tasks.append(answer.json()["task_id"])
        for task in tasks:
            for client in clients:

                def told(key: str) -> httpx.Response:
                    return client.get(f"/result/{task}", headers={"authorization": f"Bearer {key}"})  # noqa: B023

                until(lambda: told(one).json()["status"] == "completed")
                assert told(two).status_code in {403, 404}
                assert client.get(f"/result/{task}").status_code == 401
        for client in clients:
            assert client.get("/metrics").status_code == 401
            told_by = client.get("/metrics", headers={"authorization": f"Bearer {reader}"}).text
            # each task ran once, and every front tells of all
            assert 'pumice_inference_seconds_count{model="double",version="1"} 2.0' in told_by
    store.close()
