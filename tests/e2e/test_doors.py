"""A server that asks for keys: every route and method refuses who has none, and what a key may do is what it can."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import httpx
import numpy as np
import pytest

from pumice import Client
from pumice.domain.access import Verb
from pumice.domain.errors import NotAllowed, RateLimited
from pumice.gateway.grpc.verbs import VERBS
from pumice.gateway.http.app import HttpContext, all_endpoints
from pumice.gateway.http.endpoint import Endpoint
from pumice.protocol.oip.proto import open_inference_pb2 as pb
from pumice.service.access.keys import KeyStore
from pumice.service.access.types import KeyWish, NewKey
from pumice.service.catalog import Catalog
from pumice.service.inference import Inference
from pumice.service.store import Store
from pumice.service.store.opened import OpenStore
from pumice.service.tasks import Tasks
from tests.cli.command import pumice
from tests.support.known import models_of
from tests.support.server import RunningServer
from tests.support.wire import body, until

ROOT = Path(__file__).parents[2]
MODELS = ("double=tests.support.models:Doubler", "other=tests.support.models:Doubler")
REVOKED_WITHIN_S = 1.0


@dataclass
class Locked:
    """A server that asks for keys, and the keys."""

    server: RunningServer
    store: KeyStore
    admin: NewKey
    narrow: NewKey
    reader: NewKey

    def get(self, path: str, key: str | None = None, method: str = "GET", **more: object) -> httpx.Response:
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        return httpx.request(method, self.server.url + path, headers=headers, timeout=60, **more)  # type: ignore[arg-type]

    def infer(self, model: str, key: str | None, **more: object) -> httpx.Response:
        return self.get(f"/v2/models/{model}/infer", key, "POST", json=body(), **more)

    def audited(self) -> list[dict[str, object]]:
        text = (self.server.home / "audit.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Locked]:
    home = tmp_path_factory.mktemp("locked")
    store = KeyStore.open(home)
    admin = store.create(KeyWish(name="admin", scopes=["manage:*", "infer:*", "read:*"]), "test")
    narrow = store.create(KeyWish(name="narrow", scopes=["infer:double"]), "test")
    reader = store.create(KeyWish(name="reader", scopes=["read:*"]), "test")
    with RunningServer(*MODELS, "--auth", "keys", home=home, cwd=ROOT) as server:
        yield Locked(server, store, admin, narrow, reader)
    store.close()


def routes(home: Path) -> list[Endpoint]:
    inference = Inference(Catalog([]))
    models, store = models_of(inference.catalog), OpenStore(Store)
    return all_endpoints(HttpContext(inference, Tasks(inference, home), models, store, max_body_bytes=1))


def filled(endpoint: Endpoint, model: str = "double") -> str:
    return re.sub(r"{(\w+)}", lambda match: {"model": model, "version": "1"}.get(match[1], "x"), endpoint.path)


def test_every_route_refuses_who_has_no_key(locked: Locked, tmp_path: Path) -> None:
    forged = locked.narrow.key[:-7] + "A" + locked.narrow.key[-6:]
    asked = 0
    for endpoint in routes(tmp_path):
        path = filled(endpoint)
        if endpoint.verb is Verb.OPEN:
            assert locked.get(path, method=endpoint.method).status_code == 200, path
            continue
        asked += 1
        for key in (None, "nonsense", forged):
            answer = locked.get(path, key, endpoint.method)
            assert answer.status_code == 401, (endpoint, key)
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert answer.headers["x-request-id"]
            shape = "error" if path.startswith(("/v2", "/v1/models")) else "detail"
            assert "Authorization: Bearer" in answer.json()[shape]
    assert asked > 20


def test_a_key_of_one_model_opens_no_route_of_another_and_none_of_the_whole_server(
    locked: Locked, tmp_path: Path
) -> None:
    key = locked.narrow.key
    for endpoint in routes(tmp_path):
        if endpoint.verb is Verb.OPEN or endpoint.narrow:
            continue
        answer = locked.get(filled(endpoint, "other"), key, endpoint.method)
        assert answer.status_code == 403, endpoint
        assert "scope" in answer.text
    for endpoint in routes(tmp_path):
        if endpoint.verb is Verb.MANAGE or (endpoint.verb is Verb.INFER and not endpoint.narrow):
            assert locked.get(filled(endpoint), locked.reader.key, endpoint.method).status_code == 403, endpoint


def test_a_wish_that_says_something_twice_makes_no_key(locked: Locked) -> None:
    wish = b'{"name": "twice", "scopes": ["read:*"], "scopes": ["manage:*"]}'
    refused = locked.get("/api/keys", locked.admin.key, "POST", content=wish)
    assert refused.status_code == 400
    assert "twice" in refused.json()["detail"]
    assert "twice" not in [key.name for key in locked.store.every()]


def test_lists_show_what_the_key_may_see(locked: Locked) -> None:
    key = locked.narrow.key
    assert locked.get("/v2/models", key).json() == {"models": ["double"]}
    assert locked.get("/v1/models", key).json()["models"] == ["double"]
    assert [entry["name"] for entry in locked.get("/v2/repository/index", key, "POST").json()] == ["double"]
    assert [model["name"] for model in locked.get("/", key).json()["models"]] == ["double"]
    assert len(locked.get("/v2/models", locked.reader.key).json()["models"]) == 2
    assert locked.get("/metrics", key).status_code == 403
    assert locked.get("/metrics", locked.reader.key).status_code == 200


def test_a_key_runs_its_model_and_no_other(locked: Locked) -> None:
    for _ in range(3):  # the second time, the head is known
        assert locked.infer("double", locked.narrow.key).json()["outputs"][0]["data"] == [2, 4, 6, 8]
        refused = locked.infer("other", locked.narrow.key)
        assert refused.status_code == 403
        assert "infer:other" in refused.json()["error"]
        assert locked.infer("nowhere", locked.narrow.key).status_code == 403
        assert locked.infer("double", locked.reader.key).status_code == 403
        assert locked.infer("double", None).status_code == 401
    assert locked.infer("nowhere", locked.admin.key).status_code == 404


def test_a_head_that_is_known_is_still_asked_for_its_key(locked: Locked) -> None:
    """Many requests over one connection: the good ones do not open the door for the bad."""
    with httpx.Client(base_url=locked.server.url, timeout=60) as http:
        for key, status in ((locked.narrow.key, 200), ("x", 401), (locked.narrow.key, 200), (locked.reader.key, 403)):
            headers = {"authorization": f"Bearer {key}"}
            assert http.post("/v2/models/double/infer", json=body(), headers=headers).status_code == status


def test_tasks_are_held_against_their_model(locked: Locked) -> None:
    inputs = {"model": "other", **body()}
    assert locked.get("/predict", locked.narrow.key, "POST", json=inputs).status_code == 403
    accepted = locked.get("/predict", locked.admin.key, "POST", json=inputs)
    assert accepted.status_code == 202
    assert locked.get(accepted.headers["location"], locked.admin.key).status_code == 200


def test_a_task_is_seen_by_the_key_that_handed_it_in_and_by_no_other(locked: Locked) -> None:
    other = locked.store.create(KeyWish(name="equal", scopes=["manage:*", "infer:*", "read:*"]), "test")
    until(lambda: locked.infer("double", other.key).status_code == 200)
    accepted = locked.get("/predict", locked.admin.key, "POST", json={"model": "double", **body()})
    assert accepted.status_code == 202
    at = accepted.headers["location"]
    wait = {"prefer": "wait=30", "authorization": f"Bearer {locked.admin.key}"}
    done = httpx.get(locked.server.url + at, headers=wait, timeout=60)
    assert done.json()["status"] == "completed"
    for method in ("GET", "DELETE"):
        for key in (other.key, locked.narrow.key):
            answer = locked.get(at, key, method)
            assert (answer.status_code, answer.json()) == (404, {"status": "not_found"})
    headers = {"prefer": "wait=1", "authorization": f"Bearer {other.key}"}
    assert httpx.get(locked.server.url + at, headers=headers, timeout=60).status_code == 404
    assert locked.get(at, locked.admin.key).json() == done.json()
    assert locked.get(at, locked.admin.key, "DELETE").status_code == 204
    assert locked.get(at, locked.admin.key).status_code == 404


def test_loads_and_unloads_are_written_down_with_who_asked_on_both_faces(locked: Locked) -> None:
    model = "/v2/repository/models/other"
    assert locked.get(f"{model}/load", locked.admin.key, "POST", json={}).status_code == 200
    assert locked.get(f"{model}/unload", locked.narrow.key, "POST", json={}).status_code == 403
    service = "/inference.GRPCInferenceService/RepositoryModelUnload"
    named = b"\x12\x05other"
    assert call(locked, service, locked.narrow.key, named)[0] is grpc.StatusCode.PERMISSION_DENIED
    manager = locked.store.create(KeyWish(name="manager", scopes=["manage:double"]), "test")
    until(lambda: locked.get("/v2/models/double", manager.key).status_code == 200)
    assert call(locked, service, manager.key, named)[0] is grpc.StatusCode.PERMISSION_DENIED
    acts = [(act["what"], act["who"], act["target"], str(act["result"]).partition(":")[0]) for act in locked.audited()]
    admin, narrow, double = (f"key:{key.info.id}" for key in (locked.admin, locked.narrow, manager))
    path = "POST /v2/repository/models/{model}"
    assert (f"{path}/load", admin, {"model": "other"}, "done") in acts
    assert (f"{path}/unload", narrow, {"model": "other"}, "denied") in acts
    assert (service, narrow, {}, "denied") in acts  # turned away at the door: nobody has read what it asked for
    assert (service, double, {"model": "other"}, "denied") in acts


def test_the_client_sends_its_key(locked: Locked) -> None:
    with Client(locked.server.url, api_key=locked.narrow.key) as client:
        assert client.infer("double", {"x": np.ones((1, 4), np.float32)})["y"].tolist() == [[2.0] * 4]
        assert client.predict("double", [np.ones(4, np.float32)])[0].tolist() == [2.0] * 4
        with pytest.raises(NotAllowed, match="infer:other"):
            client.infer("other", {"x": np.ones((1, 4), np.float32)})
    with Client(locked.server.url) as client, pytest.raises(NotAllowed, match="no key was sent"):
        client.metadata("double")


def call(locked: Locked, method: str, key: str | None, message: bytes = b"") -> tuple[grpc.StatusCode, dict[str, str]]:
    """Call a method of gRPC; what it answered and its trailers."""
    metadata = (("authorization", f"Bearer {key}"),) if key else ()
    with grpc.insecure_channel(locked.server.grpc) as channel:
        answered = channel.stream_stream(method, None, None)(iter([message]), metadata=metadata, timeout=30)
        try:
            for _ in answered:
                break
        except grpc.RpcError:
            pass
        answered.cancel()  # type: ignore[no-untyped-call]
        code: grpc.StatusCode = answered.code()
        return code, {str(name): str(value) for name, value in answered.trailing_metadata() or ()}


@pytest.mark.parametrize("method", [method for method, verb in VERBS.items() if verb is not Verb.OPEN])
def test_every_method_refuses_who_has_no_key(locked: Locked, method: str) -> None:
    for key in (None, "nonsense"):
        code, trailers = call(locked, method, key)
        assert code is grpc.StatusCode.UNAUTHENTICATED
        assert trailers["x-request-id"]


def infer_message(model: str) -> bytes:
    request = pb.ModelInferRequest(model_name=model)
    request.inputs.add(name="x", datatype="FP32", shape=[1, 4]).contents.fp32_contents.extend([1, 2, 3, 4])
    return bytes(request.SerializeToString())


@pytest.mark.parametrize("method", [method for method, verb in VERBS.items() if verb is not Verb.OPEN])
def test_a_key_of_one_model_calls_no_method_of_another(locked: Locked, method: str) -> None:
    # in all these messages the model's name is the first field, or the second after the repository's
    if method in FILTERED or method == STREAM:
        return
    for message in (infer_message("other"), b"\x12\x05other"):
        code, _ = call(locked, method, locked.narrow.key, message)
        if code is grpc.StatusCode.PERMISSION_DENIED:
            return
    pytest.fail(f"{method} answered {code}")


FILTERED = {
    "/inference.GRPCInferenceService/ServerMetadata",
    "/inference.GRPCInferenceService/RepositoryIndex",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
}


STREAM = "/inference.GRPCInferenceService/ModelStreamInfer"


def test_each_request_of_a_stream_is_held_against_its_model(locked: Locked) -> None:
    def answers(key: str) -> dict[str, str]:
        metadata = (("authorization", f"Bearer {key}"),)
        messages: list[pb.ModelInferRequest] = []
        for model in ("double", "other", "nowhere", "double"):
            message = pb.ModelInferRequest.FromString(infer_message(model))
            message.id = f"{model} {len(messages)}"
            messages.append(message)
        with grpc.insecure_channel(locked.server.grpc) as channel:
            stream = channel.stream_stream(
                STREAM, pb.ModelInferRequest.SerializeToString, pb.ModelStreamInferResponse.FromString
            )
            told = stream(iter(messages), metadata=metadata, timeout=30)
            return {answer.infer_response.id: answer.error_message for answer in told}

    narrow = answers(locked.narrow.key)
    assert narrow["double 0"] == narrow["double 3"] == ""
    assert "infer:other" in narrow["other 1"]
    assert "infer:nowhere" in narrow["nowhere 2"], "whether it is there is not told"
    wide = answers(locked.admin.key)
    assert wide["other 1"] == ""
    assert "is not served" in wide["nowhere 2"]
    code, _ = call(locked, STREAM, locked.reader.key, infer_message("double"))
    assert code is grpc.StatusCode.PERMISSION_DENIED, "who may run no model at all is turned away at the door"


def test_a_key_opens_grpc(locked: Locked) -> None:
    metadata = (("authorization", f"Bearer {locked.narrow.key}"),)
    with grpc.insecure_channel(locked.server.grpc) as channel:
        infer = channel.unary_unary(
            "/inference.GRPCInferenceService/ModelInfer", None, pb.ModelInferResponse.FromString
        )
        answer = infer(infer_message("double"), metadata=metadata, timeout=30)
        assert np.frombuffer(answer.raw_output_contents[0], np.float32).tolist() == [2, 4, 6, 8]
        index = channel.unary_unary(
            "/inference.GRPCInferenceService/RepositoryIndex", None, pb.RepositoryIndexResponse.FromString
        )
        assert [model.name for model in index(b"", metadata=metadata, timeout=30).models] == ["double"]
        health = channel.unary_unary("/grpc.health.v1.Health/Check", None, None)
        assert health(b"", timeout=30) == b"\x08\x01"


def test_a_revoked_key_is_refused_within_a_second_everywhere(locked: Locked) -> None:
    made = locked.store.create(KeyWish(name="short", scopes=["infer:double", "read:*"]), "test")

    def statuses(http: httpx.Client) -> set[int]:
        headers = {"authorization": f"Bearer {made.key}"}
        infer = http.post("/v2/models/double/infer", json=body(), headers=headers).status_code
        return {infer, http.get("/v2/models/double", headers=headers).status_code}

    with httpx.Client(base_url=locked.server.url, timeout=60) as http:
        begun = time.monotonic()
        while statuses(http) != {200}:
            assert time.monotonic() - begun < REVOKED_WITHIN_S
        locked.store.revoke(made.info.id)
        revoked = time.monotonic()
        while statuses(http) != {401}:
            assert time.monotonic() - revoked < REVOKED_WITHIN_S
    code, _ = call(locked, "/inference.GRPCInferenceService/ModelInfer", made.key, infer_message("double"))
    assert code is grpc.StatusCode.UNAUTHENTICATED


def test_a_key_ends_by_itself(locked: Locked) -> None:
    made = locked.store.create(KeyWish(name="brief", scopes=["infer:double"], expires="2s"), "test")
    assert made.info.expires is not None
    statuses: list[int] = []
    while not statuses or statuses[-1] == 200 or time.time() < made.info.expires:
        statuses.append(locked.infer("double", made.key).status_code)
        assert time.time() < made.info.expires + REVOKED_WITHIN_S
    assert 200 in statuses


def test_who_asks_too_often_is_told_when_to_come_back(locked: Locked) -> None:
    made = locked.store.create(KeyWish(name="slow", scopes=["infer:double"], rate=0.02, burst=3), "test")
    answers: list[httpx.Response] = []
    while 429 not in [answer.status_code for answer in answers]:
        answers.append(locked.infer("double", made.key))
    assert [answer.status_code for answer in answers if answer.status_code != 401] == [200, 200, 200, 429]
    assert 30 < int(answers[-1].headers["retry-after"]) <= 50
    assert "0.02 requests per second" in answers[-1].json()["error"]
    code, trailers = call(locked, "/inference.GRPCInferenceService/ModelInfer", made.key, infer_message("double"))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert 30 < float(trailers["retry-after"]) <= 50
    with (
        Client(locked.server.url, api_key=made.key, retries=0) as client,
        pytest.raises(RateLimited) as caught,
    ):
        client.infer("double", {"x": np.ones((1, 4), np.float32)})
    assert 30 < caught.value.retry_after_s <= 50
    assert locked.infer("double", locked.narrow.key).status_code == 200, "others are let in"


def test_keys_are_managed_over_http(locked: Locked) -> None:
    at = ("--url", locked.server.url, "--json")
    environ = {"PUMICE_API_KEY": locked.admin.key}
    done = pumice("keys", "create", "--name", "there", "--scope", "infer:double", *at, environ=environ)
    made = json.loads(done.stdout)
    assert locked.infer("double", made["key"]).status_code == 200, "good at once where it was made"
    rotated = json.loads(pumice("keys", "rotate", made["info"]["id"], "--grace", "1h", *at, environ=environ).stdout)
    assert locked.infer("double", made["key"]).status_code == 200
    assert locked.infer("double", rotated["key"]).status_code == 200
    ended = pumice("keys", "revoke", made["info"]["id"], "--url", locked.server.url, "--api-key", locked.admin.key)
    assert ended.returncode == 0, ended.stderr
    assert locked.infer("double", made["key"]).status_code == 401
    listed = json.loads(pumice("keys", "list", *at, environ=environ).stdout)["keys"]
    assert {"there"} == {key["name"] for key in listed if key["created_by"] == f"key:{locked.admin.info.id}"}
    assert "digest" not in json.dumps(listed)
    refused = pumice("keys", "list", *at, environ={"PUMICE_API_KEY": locked.narrow.key})
    assert refused.returncode == 1
    assert "manage:*" in refused.stderr
    acts = [(act["what"], act["who"], str(act["result"]).split(":")[0]) for act in locked.audited()]
    admin, narrow = f"key:{locked.admin.info.id}", f"key:{locked.narrow.info.id}"
    assert ("POST /api/keys", admin, "done") in acts
    assert ("DELETE /api/keys/{key_id}", admin, "done") in acts
    assert ("GET /api/keys", narrow, "denied") in acts


@pytest.mark.parametrize("wish", [b"{", b'{"name": "x"}', b'{"name": "x", "scopes": ["fly:x"]}', b'{"colour": 1}'])
def test_a_wish_that_cannot_be_fulfilled(locked: Locked, wish: bytes) -> None:
    answer = locked.get("/api/keys", locked.admin.key, "POST", content=wish)
    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:pumice:error:malformed-input"


def test_nothing_secret_is_written_anywhere(locked: Locked) -> None:
    """Of keys, bad keys and inputs neither the log nor the record nor the database's file has anything."""
    secret = "pum_0123456789_thisIsTheSecretOfSomebodyElse"
    text = "the-private-input-of-somebody"
    for key in (secret, locked.narrow.key):
        locked.get("/v2/models/double", key)
        locked.get("/api/keys", key)
        locked.get("/v2/models/double/infer", key, "POST", json={"inputs": [{"name": text}]})
        locked.get("/v2/models/double/infer", key, "POST", content=text.encode())
        locked.get("/predict", key, "POST", json={"text": text})
        call(locked, "/inference.GRPCInferenceService/ModelInfer", key, text.encode())
    files = [locked.server.log, *(file for file in locked.server.home.rglob("*") if file.is_file())]
    for file in files:
        content = file.read_bytes()
        for key in (secret, locked.narrow.key, locked.admin.key):
            assert key.encode() not in content, file
            assert key.rpartition("_")[2].encode() not in content, file
        assert text.encode() not in content, file
    assert "Traceback" not in locked.server.logged()


def test_health_says_no_more_than_it_must(locked: Locked) -> None:
    assert locked.get("/v2/health/ready").json() == {"ready": True}
