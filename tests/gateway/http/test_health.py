"""Liveness, readiness, and the paths on which platforms ask for them."""

from __future__ import annotations

import httpx
import pytest

from tests.gateway.http.local import LocalServer


@pytest.mark.parametrize("path", ["/v2/health/live", "/livez", "/healthz"])
def test_live(client: httpx.Client, path: str) -> None:
    assert client.get(path).json() == {"live": True}


@pytest.mark.parametrize("path", ["/v2/health/ready", "/readyz", "/health"])
def test_ready(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.json() == {"ready": True}


def test_why_not_ready(trouble: httpx.Client) -> None:
    told = trouble.get("/v2/health/ready").json()
    assert told["ready"] is False
    assert "model 'loading' version 1: loading" in told["reason"]
    assert "model 'down' version 1: its weights are gone" in told["reason"]


def test_ping_has_no_body(client: httpx.Client) -> None:
    answer = client.get("/ping")
    assert answer.status_code == 200
    assert answer.content == b""


def test_a_server_that_stops_is_not_ready(closing: LocalServer) -> None:
    closing.catalog.closing = True
    with httpx.Client(base_url=closing.url) as http:
        answer = http.get("/v2/health/ready")
        assert answer.status_code == 503
        assert answer.json() == {"ready": False, "reason": "the server is stopping"}
        assert http.get("/v2/health/live").status_code == 200
