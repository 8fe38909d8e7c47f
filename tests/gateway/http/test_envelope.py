"""What every answer has, and what is refused whatever the route."""

from __future__ import annotations

import gzip
import json
import socket
import struct
from collections.abc import Iterator

import httpx
import pytest

from tests.gateway.http.local import MAX_BODY, LocalServer

EVERYWHERE = [
    ("GET", "/"),
    ("GET", "/v2"),
    ("GET", "/docs"),
    ("GET", "/metrics"),
    ("GET", "/nowhere"),
    ("GET", "/v2/models/none"),
    ("POST", "/v2"),
    ("POST", "/predict"),
    ("GET", "/assets/style.css"),
]


@pytest.mark.parametrize(("method", "path"), EVERYWHERE)
def test_every_answer_has_a_request_id_and_is_not_sniffed(client: httpx.Client, method: str, path: str) -> None:
    answer = client.request(method, path)
    assert len(answer.headers["x-request-id"]) == 32
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_callers_request_id_comes_back(client: httpx.Client) -> None:
    assert client.get("/v2", headers={"x-request-id": "mine-1"}).headers["x-request-id"] == "mine-1"
    problem = client.get("/nowhere", headers={"x-request-id": "mine-2"})
    assert problem.headers["x-request-id"] == problem.json()["request_id"] == "mine-2"


@pytest.mark.parametrize("given_id", ["x" * 129, "\xe9"])
def test_a_request_id_that_cannot_be_trusted_is_replaced(client: httpx.Client, given_id: str) -> None:
    answer = client.get("/v2", headers={b"x-request-id": given_id.encode("latin-1")})
    assert len(answer.headers["x-request-id"]) == 32


def test_an_unknown_path_is_a_problem(client: httpx.Client) -> None:
    answer = client.get("/nowhere/{at} all")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:pumice:error:route-not-found"
    assert "'/nowhere/{at} all'" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/v2/nowhere", "/v1/models/double/nowhere"])
def test_under_oip_and_kserve_it_has_their_shape(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/json"
    assert list(answer.json()) == ["error"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/predict", {"POST"}),
        ("PUT", "/predict", {"POST"}),
        ("PUT", "/result/1", {"GET", "HEAD", "DELETE"}),
        ("POST", "/metrics", {"GET", "HEAD"}),
        ("GET", "/v2/models/double/infer", {"POST"}),
        ("GET", "/v1/models/double:explain", {"POST"}),
    ],
)
def test_a_method_that_a_path_does_not_take(client: httpx.Client, method: str, path: str, allowed: set[str]) -> None:
    answer = client.request(method, path)
    # a GET of an unknown verb of KServe reads as the name of a model
    if path.endswith(":explain"):
        assert answer.status_code == 404
        return
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == allowed
    assert method in answer.text


def test_head_is_get_without_its_body(client: httpx.Client) -> None:
    for path in ("/v2", "/ping", "/docs", "/v2/models/double"):
        head, get = client.head(path), client.get(path)
        assert head.status_code == get.status_code == 200
        assert head.headers["content-length"] == get.headers["content-length"]
        assert head.content == b""


def test_no_trailing_slash_is_redirected(client: httpx.Client) -> None:
    assert client.get("/v2/", follow_redirects=False).status_code == 404


def test_a_declared_body_that_is_too_large_is_refused_unread(healthy: LocalServer) -> None:
    with raw(healthy) as connection:
        connection.sendall(
            b"POST /predict HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 99999999999\r\n\r\n"
        )
        answer = read_to_end(connection)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"100 Continue" not in answer
    assert b"connection: close" in answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["detail"] == (
        f"the body has 99999999999 bytes; at most {MAX_BODY} are taken"
    )


def test_a_chunked_body_is_read_to_the_limit_only(client: httpx.Client) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while sent < 500 * MAX_BODY:
            sent += 50_000
            yield bytes(50_000)

    answer = client.post("/v1/models/double:predict", content=endless())
    assert answer.status_code == 413
    assert "at most" in answer.json()["error"]


def test_a_body_that_unpacks_to_too_much_is_refused(client: httpx.Client) -> None:
    bomb = gzip.compress(bytes(50_000_000))
    assert len(bomb) < MAX_BODY
    answer = client.post("/predict", content=bomb, headers={"content-encoding": "gzip"})
    assert answer.status_code == 413


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip"])
def test_an_unknown_compression_is_refused(client: httpx.Client, coding: str) -> None:
    answer = client.post("/predict", content=b"{}", headers={"content-encoding": coding})
    assert answer.status_code == 400
    assert "gzip, deflate" in answer.json()["detail"]


def test_the_unforeseen_is_told_generically(trouble: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    answer = trouble.post("/v1/models/explodes:predict", json={"instances": [[1, 2, 3, 4]]})
    assert answer.status_code == 500
    assert answer.json() == {"error": "Internal error"}
    assert "a secret of the server" in caplog.text


def test_a_caller_who_goes_away_takes_its_request_along(troubled: LocalServer) -> None:
    slow = troubled.version("slow")
    body = b'{"instances": [[1, 2, 3, 4]]}'
    with raw(troubled) as connection:
        connection.sendall(
            b"POST /v1/models/slow:predict HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
        )
        troubled.until(lambda: bool(slow.seen))
        # reset, not just half closed
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    troubled.until(lambda: slow.stats.requests["kserve-v1", "499"] == 1)


def raw(server: LocalServer) -> socket.socket:
    host, port = server.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=10)


def read_to_end(connection: socket.socket) -> bytes:
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)
