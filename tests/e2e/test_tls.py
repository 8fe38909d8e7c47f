"""TLS on both ports: certificates that change without a restart, and clients that need their own."""

from __future__ import annotations

import ssl
from pathlib import Path

import grpc
import numpy as np
import pytest

from pumice import Client
from pumice.client import ConnectionFailed
from tests.cli.command import pumice
from tests.support.certificates import Certificate, certificate
from tests.support.server import RunningServer
from tests.support.wire import until

ROOT = Path(__file__).parents[2]
MODEL = "double=tests.support.models:Doubler"
X = {"x": np.ones((1, 4), np.float32)}
LIVE = "/inference.GRPCInferenceService/ServerLive"


def works(url: str, verify: str | ssl.SSLContext) -> bool:
    with Client(url, verify=verify, retries=0, timeout=10) as client:
        try:
            return bool((client.infer("double", X)["y"] == 2).all())
        except ConnectionFailed:
            return False


def grpc_works(address: str, authority: Certificate, own: Certificate | None = None) -> bool:
    shown = (own.key.read_bytes(), own.cert.read_bytes()) if own else ()
    credentials = grpc.ssl_channel_credentials(authority.cert.read_bytes(), *shown)
    with grpc.secure_channel(address, credentials) as channel:
        try:
            answer: bytes = channel.unary_unary(LIVE, None, None)(b"", timeout=5)
        except grpc.RpcError:
            return False
    return answer == b"\x08\x01"


def test_new_certificates_are_taken_without_a_restart_and_broken_ones_are_not(tmp_path: Path) -> None:
    old, new = certificate(tmp_path, "old-ca"), certificate(tmp_path, "new-ca")
    cert, key = tmp_path / "server.pem", tmp_path / "server.key"
    certificate(tmp_path, "first", old).copy_to(cert, key)
    second = certificate(tmp_path, "second", new)
    with RunningServer(MODEL, "--tls-cert", str(cert), "--tls-key", str(key), cwd=ROOT) as server:
        assert server.url.startswith("https://")
        assert works(server.url, str(old.cert))
        assert not works(server.url, str(new.cert))
        assert grpc_works(server.grpc, old)
        assert not works(server.url.replace("https", "http"), True)  # type: ignore[arg-type]
        cert.write_text("no certificate", encoding="ascii")
        until(lambda: "new certificates cannot be used" in server.logged())
        assert works(server.url, str(old.cert)), "the old ones stay"
        assert grpc_works(server.grpc, old)
        second.copy_to(cert, key)
        until(lambda: "new certificates are in use" in server.logged())
        assert works(server.url, str(new.cert))
        assert not works(server.url, str(old.cert))
        assert grpc_works(server.grpc, new)
        assert not grpc_works(server.grpc, old)


def test_clients_show_certificates(tmp_path: Path) -> None:
    ours, theirs = certificate(tmp_path, "our-ca"), certificate(tmp_path, "their-ca")
    server_cert, friend = certificate(tmp_path, "server", ours), certificate(tmp_path, "friend", ours)
    stranger = certificate(tmp_path, "stranger", theirs)
    file = tmp_path / "pumice.yaml"
    file.write_text(
        f"tls_cert: {server_cert.cert}\ntls_key: {server_cert.key}\ntls_client_ca: {ours.cert}\n", encoding="utf-8"
    )

    def context(own: Certificate | None) -> ssl.SSLContext:
        made = ssl.create_default_context(cafile=str(ours.cert))
        if own:
            made.load_cert_chain(own.cert, own.key)
        return made

    with RunningServer(MODEL, "-f", str(file), cwd=ROOT) as server:
        assert works(server.url, context(friend))
        assert not works(server.url, context(stranger))
        assert not works(server.url, context(None))
        assert grpc_works(server.grpc, ours, friend)
        assert not grpc_works(server.grpc, ours, stranger)
        assert not grpc_works(server.grpc, ours)
        with Client(server.url, verify=context(friend), retries=0) as client, pytest.raises(Exception, match="keys"):
            client.manage("GET", "/api/keys")
        assert '"who":"cert:friend"' in (server.home / "audit.jsonl").read_text(encoding="utf-8")


def test_a_key_without_its_certificate_is_refused_at_the_start(tmp_path: Path) -> None:
    made, other = certificate(tmp_path, "one"), certificate(tmp_path, "two")
    done = pumice("serve", MODEL, "--tls-cert", str(made.cert))
    assert done.returncode == 2
    assert "tls_key" in done.stderr
    done = pumice("serve", MODEL, "--port", "0", "--tls-cert", str(made.cert), "--tls-key", str(other.key))
    assert done.returncode == 2
    assert "not usable with its key" in done.stderr
