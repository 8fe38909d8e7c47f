"""Both clients over real sockets, against a server that answers as a script says."""

from __future__ import annotations

import inspect
import socket
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pumice.client
from pumice import AsyncClient, Client
from pumice.client import Answer, BadAnswer, ConnectionFailed, NotAllowed, Refused, ServerFailed
from pumice.domain import errors as e
from tests.client.faces import Face
from tests.client.scripted import DROP, ScriptedServer, answer

MakeFace = Callable[..., Face]
X = np.array([[1.0, 2.0]], np.float32)
JSON_ANSWER = answer(
    body={
        "model_name": "m",
        "model_version": "3",
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [1, 2], "data": [2, 4]}],
    },
    x_request_id="r-1",
)


def binary_answer() -> bytes:
    head = (
        b'{"model_name":"m","model_version":"3","outputs":['
        b'{"name":"y","datatype":"FP32","shape":[1,2],"parameters":{"binary_data_size":8}},'
        b'{"name":"t","datatype":"BYTES","shape":[1],"parameters":{"binary_data_size":6}}]}'
    )
    body = head + struct.pack("<2f", 2, 4) + struct.pack("<I", 2) + b"\xff\0"
    return answer(body=body, inference_header_content_length=str(len(head)), x_request_id="r-1")


@pytest.fixture(params=["sync", "async"])
def face(request: pytest.FixtureRequest) -> MakeFace:
    return lambda url, **settings: Face(request.param, url, **settings)


def test_tensors_go_and_come_as_bytes(face: MakeFace) -> None:
    with ScriptedServer([binary_answer()]) as server:
        outputs = face(server.url).infer("m", {"x": X, "name": ["很好"]}, request_id="r-1", priority=2)
    assert outputs["y"].tolist() == [[2, 4]]
    assert outputs["t"].tolist() == [b"\xff\0"]
    (seen,) = server.seen
    assert (seen.method, seen.path) == ("POST", "/v2/models/m/infer")
    assert seen.headers["accept-encoding"] == "identity"
    assert seen.headers["x-request-id"] == "r-1"
    assert 0 < int(seen.headers["x-timeout-ms"]) <= 60_000
    head = seen.json()
    assert head["parameters"] == {"priority": 2, "binary_data_output": True}
    assert [tensor["parameters"]["binary_data_size"] for tensor in head["inputs"]] == [8, 10]
    assert seen.body.endswith(X.tobytes() + struct.pack("<I", 6) + "很好".encode())


def test_json_on_demand(face: MakeFace) -> None:
    with ScriptedServer([JSON_ANSWER]) as server:
        outputs = face(server.url).infer("m", {"x": X}, binary=False, outputs=["y"], parameters={"k": 1})
    assert outputs["y"].tolist() == [[2, 4]]
    assert server.seen[0].json() == {
        "inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1.0, 2.0]}],
        "outputs": [{"name": "y"}],
        "parameters": {"k": 1},
    }


def test_the_whole_answer_tells_version_and_id(face: MakeFace) -> None:
    with ScriptedServer([JSON_ANSWER]) as server:
        whole = face(server.url).infer_raw("m", {"x": X}, version="3")
    assert isinstance(whole, Answer)
    assert (whole.model, whole.version, whole.request_id) == ("m", "3", "r-1")
    assert server.seen[0].path == "/v2/models/m/versions/3/infer"


def test_a_key_is_sent_and_odd_names_are_quoted(face: MakeFace) -> None:
    with ScriptedServer([JSON_ANSWER]) as server:
        face(server.url + "/", api_key="secret").infer("a/b c", {"x": X})
    assert server.seen[0].headers["authorization"] == "Bearer secret"
    assert server.seen[0].path == "/v2/models/a%2Fb%20c/infer"


@pytest.mark.parametrize("trouble", [answer(503, retry_after="3"), answer(429, retry_after="3"), DROP])
def test_trouble_that_passes_is_not_seen(face: MakeFace, trouble: bytes) -> None:
    with ScriptedServer([trouble, trouble, JSON_ANSWER]) as server:
        client = face(server.url)
        assert client.infer("m", {"x": X})["y"].tolist() == [[2, 4]]
    assert len(server.seen) == 3
    assert len(client.pauses) == 2
    if trouble != DROP:
        assert client.pauses == [3, 3]


def test_trouble_that_stays_is_told(face: MakeFace) -> None:
    with (
        ScriptedServer([answer(503, {"error": "model 'm' is not ready: loading"}, retry_after="2")]) as server,
        pytest.raises(e.Unavailable, match="is not ready: loading") as caught,
    ):
        face(server.url, retries=1).infer("m", {"x": X})
    assert caught.value.retry_after_s == 2
    assert len(server.seen) == 2


def test_a_server_that_is_not_there_is_told_after_all_tries(face: MakeFace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    client = face(f"http://127.0.0.1:{port}", retries=2)
    with pytest.raises(ConnectionFailed, match=f"http://127.0.0.1:{port}: .*3 tries"):
        client.infer("m", {"x": X})
    assert len(client.pauses) == 2


def test_a_server_that_hangs_is_a_deadline(face: MakeFace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = face(f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(e.DeadlineExceeded, match=r"timeout of 0\.05 s"):
            client.infer("m", {"x": X}, timeout=0.05)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, e.BadRequest),
        (401, NotAllowed),
        (403, NotAllowed),
        (404, e.ModelNotFound),
        (413, e.Unfit),
        (422, e.Unfit),
        (429, e.Unavailable),
        (500, e.ModelError),
        (501, e.Unsupported),
        (503, e.Unavailable),
        (504, e.DeadlineExceeded),
        (418, ServerFailed),
    ],
)
def test_a_refusal_has_its_class_and_the_servers_words(face: MakeFace, status: int, kind: type[e.PumiceError]) -> None:
    with (
        ScriptedServer([answer(status, {"error": "the reason"}, x_request_id="r-9")]) as server,
        pytest.raises(kind, match="the reason") as caught,
    ):
        face(server.url, retries=0).infer("m", {"x": X}, version="2")
    assert isinstance(caught.value, Refused)
    assert caught.value.status == status
    assert caught.value.request_id == "r-9"
    if isinstance(caught.value, e.ModelNotFound):
        assert (caught.value.model, caught.value.version) == ("m", "2")


def test_problem_documents_are_read(face: MakeFace) -> None:
    problem = {"type": "urn:pumice:error:overloaded", "title": "Overloaded", "status": 503, "detail": "queue full"}
    with (
        ScriptedServer([answer(503, problem)]) as server,
        pytest.raises(e.Unavailable, match="queue full") as caught,
    ):
        face(server.url, retries=0).models()
    assert isinstance(caught.value, Refused)
    assert caught.value.server_code == "overloaded"


@pytest.mark.parametrize("kind", [e.VersionInUse, e.Tampered, e.Untrusted])
def test_the_store_tells_its_errors_by_their_code(face: MakeFace, kind: type[e.PumiceError]) -> None:
    problem = {"type": f"urn:pumice:error:{kind.code}", "title": kind.title, "status": 403, "detail": "the reason"}
    with ScriptedServer([answer(403, problem)]) as server, pytest.raises(kind, match="the reason"):
        face(server.url, retries=0).models()


@pytest.mark.parametrize("body", [b"", b"<html>Bad Gateway</html>", b"[1]", b'{"error": 3}', b"\xff\xfe"])
def test_a_refusal_without_words_tells_its_status(face: MakeFace, body: bytes) -> None:
    with ScriptedServer([answer(500, body)]) as server, pytest.raises(ServerFailed, match="status 500"):
        face(server.url).models()


@pytest.mark.parametrize(
    "garbage",
    [
        answer(body=b"hello"),
        answer(body=b"{}"),
        answer(body=b"{}", inference_header_content_length="90"),
        answer(body=b"{}", inference_header_content_length="many"),
    ],
)
def test_an_answer_that_is_no_answer_is_told(face: MakeFace, garbage: bytes) -> None:
    with ScriptedServer([garbage]) as server, pytest.raises(BadAnswer, match="POST /v2/models/m/infer"):
        face(server.url).infer("m", {"x": X})


@pytest.mark.parametrize("garbage", [b"220 smtp.example.org\r\n", answer(body=b"xx", content_encoding="gzip")])
def test_what_is_not_http_is_a_failed_connection(face: MakeFace, garbage: bytes) -> None:
    with ScriptedServer([garbage]) as server, pytest.raises(ConnectionFailed):
        face(server.url, retries=1).infer("m", {"x": X})


def test_health_is_a_plain_yes_or_no(face: MakeFace) -> None:
    with ScriptedServer([answer(200), answer(503), answer(400), answer(200)]) as server:
        client = face(server.url)
        assert client.live() is True
        assert client.ready() is False
        assert client.ready("m") is False
        assert client.ready("m", version="2") is True
    paths = [seen.path for seen in server.seen]
    assert paths == [
        "/v2/health/live",
        "/v2/health/ready",
        "/v2/models/m/ready",
        "/v2/models/m/versions/2/ready",
    ]
    assert client.live() is False
    assert client.pauses == []


def test_readiness_of_an_unknown_model_is_an_error(face: MakeFace) -> None:
    with ScriptedServer([answer(404, {"error": "no"})]) as server, pytest.raises(e.ModelNotFound, match="no"):
        face(server.url).ready("m")


def test_models_and_metadata(face: MakeFace) -> None:
    index = [{"name": "m", "version": "1", "state": "READY", "reason": ""}]
    metadata = {
        "name": "m",
        "versions": ["1"],
        "platform": "onnx",
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}],
        "outputs": [],
    }
    with ScriptedServer([answer(body=index), answer(body=metadata), answer(body={"name": "m"})]) as server:
        client = face(server.url)
        (state,) = client.models()
        assert (state.name, state.version, state.state) == ("m", "1", "READY")
        known = client.metadata("m")
        assert (known.inputs[0].name, known.inputs[0].shape, known.versions) == ("x", [-1, 2], ["1"])
        with pytest.raises(BadAnswer, match="GET /v2/models/m"):
            client.metadata("m")


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://host", "http://", ""])
def test_a_url_that_is_none_is_refused(face: MakeFace, url: str) -> None:
    with pytest.raises(e.BadSetting, match="http://host:port"):
        face(url).live()


def test_other_settings_are_checked(face: MakeFace) -> None:
    with pytest.raises(e.BadSetting, match="timeout"):
        face("http://127.0.0.1:1", timeout=0).live()
    with pytest.raises(e.BadSetting, match="api_key") as caught:
        face("http://127.0.0.1:1", api_key="geheim\n").live()
    assert "geheim" not in str(caught.value)
    with pytest.raises(e.BadSetting, match="request_id"):
        face("http://127.0.0.1:1").infer("m", {"x": X}, request_id="很")
    with pytest.raises(TypeError, match="verison"):
        face("http://127.0.0.1:1").infer("m", {"x": X}, verison="1")


def test_both_clients_offer_the_same() -> None:
    def offered(kind: type[Any]) -> dict[str, list[str]]:
        methods = inspect.getmembers(kind, inspect.isfunction)
        return {name: list(inspect.signature(f).parameters) for name, f in methods if not name.startswith("_")}

    assert offered(Client) == offered(AsyncClient)


def test_every_public_name_is_there() -> None:
    assert dir(pumice.client) == sorted(pumice.client.__all__)
    assert all(getattr(pumice.client, name).__name__ == name for name in pumice.client.__all__)
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = pumice.client.no_such_name
