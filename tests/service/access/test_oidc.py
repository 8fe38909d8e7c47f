"""Tokens of a real issuer over HTTP: signed, rotated, forged."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pumice.domain.access import Principal, Verb
from pumice.domain.errors import BadSetting, Unauthenticated, Unavailable
from pumice.service.access.oidc import OidcOptions, OidcTokens
from tests.support.server import RunningServer
from tests.support.wire import infer

ROOT = Path(__file__).parents[3]
AUDIENCE = "models"


class Issuer:
    """An issuer on this machine."""

    def __init__(self) -> None:
        self.keys: dict[str, Any] = {}
        self.fetches = 0
        issuer = self

        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                told: object = {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/jwks"}
                if self.path == "/jwks":
                    issuer.fetches += 1
                    told = {"keys": [issuer.public(kid) for kid in issuer.keys]}
                body = json.dumps(told).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def add(self, kid: str, kind: str) -> None:
        self.keys[kid] = (
            rsa.generate_private_key(65537, 2048) if kind == "RSA" else ec.generate_private_key(ec.SECP256R1())
        )

    def public(self, kid: str) -> dict[str, Any]:
        key = self.keys[kid].public_key()
        algorithm = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPublicKey) else jwt.algorithms.ECAlgorithm
        made: dict[str, Any] = algorithm.to_jwk(key, as_dict=True)
        return made | {"kid": kid, "use": "sig"}

    def token(self, kid: str, algorithm: str, key: Any = None, **claims: object) -> str:
        told = {"iss": self.url, "aud": AUDIENCE, "sub": "ann", "exp": time.time() + 60, "scope": "infer:double"}
        kept = {name: value for name, value in (told | claims).items() if value is not None}
        return jwt.encode(kept, key or self.keys[kid], algorithm, headers={"kid": kid})


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    made = Issuer()
    made.add("rsa", "RSA")
    made.add("ec", "EC")
    yield made
    made.server.shutdown()
    made.server.server_close()


def show(issuer: Issuer, *tokens: str, **options: Any) -> list[Principal]:
    """Show tokens to a new verifier, one after the other."""

    async def run() -> list[Principal]:
        verifier = OidcTokens(OidcOptions(issuer.url, AUDIENCE, **options))
        await verifier.start()
        try:
            return [verifier.recognise(token) or await verifier.identify(token) for token in tokens]
        finally:
            await verifier.stop()

    return asyncio.run(run())


@pytest.mark.parametrize(("kid", "algorithm"), [("rsa", "RS256"), ("rsa", "PS512"), ("ec", "ES256")])
def test_a_good_token(issuer: Issuer, kid: str, algorithm: str) -> None:
    [first, again] = show(issuer, *[issuer.token(kid, algorithm, exp=2_000_000_000)] * 2)
    assert first.caller == "oidc:ann"
    assert first.allows(Verb.INFER, "double")
    assert not first.allows(Verb.INFER, "other")
    assert first.until == 2_000_000_030
    assert again is first


def public_pem(issuer: Issuer) -> bytes:
    pem: bytes = issuer.keys["rsa"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem


def forged_by_public_key(issuer: Issuer) -> str:
    """HS256 with the public key as the secret: the classic confusion of algorithms. PyJWT refuses to make one."""
    import base64
    import hashlib
    import hmac

    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    head = part(json.dumps({"alg": "HS256", "typ": "JWT", "kid": "rsa"}).encode())
    _, body, _ = issuer.token("rsa", "RS256").split(".")
    signature = hmac.new(public_pem(issuer), f"{head}.{body}".encode(), hashlib.sha256).digest()
    return f"{head}.{body}.{part(signature)}"


BAD: dict[str, Callable[[Issuer], str]] = {
    "audience": lambda issuer: issuer.token("rsa", "RS256", aud="others"),
    "issuer": lambda issuer: issuer.token("rsa", "RS256", iss="https://elsewhere.example"),
    "expired": lambda issuer: issuer.token("rsa", "RS256", exp=time.time() - 3600),
    "too early": lambda issuer: issuer.token("rsa", "RS256", nbf=time.time() + 3600),
    "no end": lambda issuer: issuer.token("rsa", "RS256", exp=None),
    "no subject": lambda issuer: issuer.token("rsa", "RS256", sub=None),
    "no audience": lambda issuer: issuer.token("rsa", "RS256", aud=None),
    "no algorithm": lambda _issuer: jwt.encode({"sub": "ann"}, "", "none", headers={"kid": "rsa"}),
    "public key as secret": forged_by_public_key,
    "the algorithm of another key": lambda issuer: issuer.token("rsa", "ES256", issuer.keys["ec"]),
    "somebody else's key": lambda issuer: issuer.token("rsa", "RS256", rsa.generate_private_key(65537, 2048)),
    "an unknown key": lambda issuer: issuer.token("none", "RS256", rsa.generate_private_key(65537, 2048)),
    "a broken signature": lambda issuer: issuer.token("rsa", "RS256")[:-8] + "AAAAAAAA",
    "no token": lambda _issuer: "pum_x_y",
    "too long": lambda _issuer: "a." * 20_000,
}


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_token(issuer: Issuer, fault: str) -> None:
    token = BAD[fault](issuer)
    with pytest.raises(Unauthenticated) as caught:
        show(issuer, token)
    assert token not in str(caught.value)


def test_a_rotated_key_is_fetched_once_and_a_withdrawn_one_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    issuer = Issuer()
    issuer.add("old", "EC")
    old = issuer.token("old", "ES256")

    async def run() -> None:
        verifier = OidcTokens(OidcOptions(issuer.url, AUDIENCE))
        await verifier.start()
        assert verifier.recognise(old) is not None
        epoch = verifier.epoch
        issuer.add("new", "EC")
        new = issuer.token("new", "ES256")
        assert verifier.recognise(new) is None
        with pytest.raises(Unauthenticated):
            await verifier.identify(new)  # fetched just now: the issuer is left alone
        assert issuer.fetches == 1
        verifier._fetched -= 11
        found = await asyncio.gather(*(verifier.identify(new) for _ in range(20)))
        assert {principal.caller for principal in found} == {"oidc:ann"}
        assert issuer.fetches == 2
        assert verifier.epoch == epoch + 1
        del issuer.keys["old"]
        verifier._fetched -= 11
        await verifier._refetch()
        with pytest.raises(Unauthenticated):
            await verifier.identify(old)
        await verifier.stop()

    asyncio.run(run())
    issuer.server.shutdown()
    issuer.server.server_close()


def test_what_the_claims_allow(issuer: Issuer) -> None:
    token = issuer.token("rsa", "RS256", scope=None, realm={"roles": ["analyst", "unheard"]})
    [principal] = show(
        issuer, token, claim="realm.roles", scopes={"analyst": ["read:*", "infer:double"], "boss": ["manage:*"]}
    )
    assert {str(scope) for scope in principal.scopes} == {"read:*", "infer:double"}


def test_an_issuer_that_is_away_is_not_the_callers_fault(issuer: Issuer) -> None:
    token = issuer.token("rsa", "RS256")
    gone = Issuer()
    gone.server.shutdown()
    gone.server.server_close()
    with pytest.raises(Unavailable):
        show(gone, token)


def test_plain_http_is_for_this_machine_alone() -> None:
    with pytest.raises(BadSetting, match="https"):
        OidcTokens(OidcOptions("http://issuer.example", AUDIENCE))


def test_a_server_takes_tokens(issuer: Issuer, tmp_path: Path) -> None:
    file = tmp_path / "pumice.yaml"
    file.write_text(f"auth: oidc\noidc_issuer: {issuer.url}\noidc_audience: {AUDIENCE}\n", encoding="utf-8")
    with RunningServer("double=tests.support.models:Doubler", "-f", str(file), cwd=ROOT) as server:

        def status(token: str) -> int:
            return infer(server.url, "double", headers={"authorization": f"Bearer {token}"}).status_code

        good = issuer.token("rsa", "RS256")
        assert [status(good), status(good)] == [200, 200]
        assert status(issuer.token("rsa", "RS256", scope="infer:other")) == 403
        assert status(issuer.token("none", "RS256", rsa.generate_private_key(65537, 2048))) == 401
        assert infer(server.url, "double").status_code == 401
        assert good not in server.logged()
