"""Signatures and keys of the model store over HTTP: statements, signing anew, who is trusted, and sealed keys."""

from __future__ import annotations

import time
from collections.abc import Iterator

import msgspec
from starlette.requests import Request

from pumice.domain.access import EVERY, Verb
from pumice.domain.errors import (
    BadArtefact,
    KeyServiceFailed,
    MalformedInput,
    StorageFailed,
    Tampered,
    TooLarge,
    Untrusted,
    VersionNotFound,
)
from pumice.domain.store.told import KeyLine, KeyLines, ResealedList, SignedRefs, SignedStatement, StatementList
from pumice.domain.store.wishes import Attest, TrustWish, Why
from pumice.gateway.http.context import HttpContext
from pumice.gateway.http.endpoint import Answer, Doc, Endpoint, Text
from pumice.gateway.http.reading import actor_of, parameter, principal_of, query_of, read_json
from pumice.gateway.http.store.asking import MODEL, VERSION, name_of, ref_of, told

_TRUST = "/api/store/trust"


class RevokeWish(msgspec.Struct, forbid_unknown_fields=True):
    """Why a key is revoked.

    Attributes:
        reason: For those who look at the list.
    """

    reason: Why = ""


class ResealWish(msgspec.Struct, forbid_unknown_fields=True):
    """Which sealed versions get another key.

    Attributes:
        model: Name of a model; empty: all.
        reason: Why, for the journal.
    """

    model: str = ""
    reason: Why = ""


def endpoints(context: HttpContext) -> Iterator[Endpoint]:
    """List the routes."""
    signing = _Signing(context)
    yield Endpoint("GET", f"{VERSION}/statements", Verb.READ, told(signing.statements), _STATEMENTS)
    yield Endpoint("POST", f"{VERSION}/statements", Verb.MANAGE, told(signing.attest), _ATTEST)
    yield Endpoint("POST", f"{MODEL}/sign", Verb.MANAGE, told(signing.sign), _SIGN)
    yield Endpoint("GET", _TRUST, Verb.READ, told(signing.keys), _KEYS, narrow=True)
    yield Endpoint("POST", _TRUST, Verb.MANAGE, told(signing.trust), _TRUST_KEY)
    yield Endpoint("POST", f"{_TRUST}/{{signer}}/revoke", Verb.MANAGE, told(signing.revoke), _REVOKE)
    yield Endpoint("POST", "/api/store/reseal", Verb.MANAGE, told(signing.reseal), _RESEAL)


class _Signing:
    def __init__(self, context: HttpContext) -> None:
        self._ask = context.store.ask
        self._ask_alone = context.store.ask_alone
        self._limit = context.most_of_json

    async def statements(self, request: Request) -> object:
        query_of(request, ())
        ref = ref_of(request)
        return StatementList(await self._ask(lambda store: store.statements.of(ref)))

    async def attest(self, request: Request) -> object:
        query_of(request, ())
        wish = await read_json(request, Attest, self._limit)
        ref = ref_of(request)
        request.state.audited = {"form": wish.form}
        return await self._ask(lambda store: store.statements.attest(ref, wish.form, wish.predicate))

    async def sign(self, request: Request) -> object:
        query_of(request, ())
        name = name_of(request)
        return SignedRefs(await self._ask_alone(lambda store: store.statements.sign(name)))

    async def keys(self, request: Request) -> object:
        query_of(request, ())
        lines = await self._ask(lambda store: store.keys.lines())
        # whom the home trusts for which models is for those who may see all of them; its own key is for everybody
        return KeyLines(lines if principal_of(request).allows(Verb.READ, EVERY) else [one for one in lines if one.own])

    async def trust(self, request: Request) -> object:
        query_of(request, ())
        wish = await read_json(request, TrustWish, self._limit)
        models, pem = tuple(wish.models), wish.pem.encode()
        try:
            key = await self._ask(lambda store: store.keys.trust_pem(pem, models, wish.name, "pem"))
        except BadArtefact as error:
            raise MalformedInput("pem", f"{error.problem}; {error.mend}") from None
        request.state.audited = {"key": key}
        return await self._line(key)

    async def revoke(self, request: Request) -> object:
        query_of(request, ())
        wish = await read_json(request, RevokeWish, self._limit)
        key = parameter(request, "signer")
        return await self._line(await self._ask(lambda store: store.keys.revoke(key, wish.reason, time.time())))

    async def reseal(self, request: Request) -> object:
        query_of(request, ())
        wish = await read_json(request, ResealWish, self._limit)
        actor = actor_of(request)
        return ResealedList(await self._ask(lambda store: store.seals.reseal(wish.model, wish.reason, actor)))

    async def _line(self, key: str) -> KeyLine:
        lines = await self._ask(lambda store: store.keys.lines())
        return next(line for line in lines if line.id == key)


_GROUP = "models"
_ONE = (MalformedInput, VersionNotFound, Tampered, StorageFailed)
_STATEMENTS = Doc(
    _GROUP,
    Text("Every signed statement about a version", "版本的所有签名声明"),
    {200: Answer(StatementList, Text("Sigstore bundles in base64.", "base64 编码的 Sigstore bundle。"))},
    _ONE,
)
_ATTEST = Doc(
    _GROUP,
    Text("Sign a further statement about a version, such as evidence", "为版本签署新的声明，例如证据"),
    {200: Answer(SignedStatement, Text("The statement, signed by the server's key.", "由服务器密钥签名的声明。"))},
    (*_ONE, TooLarge, Untrusted),
    Attest,
    {"form": "https://example.com/evidence/v1", "predicate": {"accuracy": 0.93}},
)
_SIGN = Doc(
    _GROUP,
    Text("Sign what no trusted key signed; each version is read whole before", "为缺少可信签名的版本签名，先完整校验"),
    {200: Answer(SignedRefs, Text("The versions that were signed.", "已签名的版本。"))},
    _ONE,
)
_KEYS = Doc(
    _GROUP,
    Text("The key that signs here, and those that are trusted", "签名密钥与受信任的密钥"),
    {200: Answer(KeyLines, Text("Public keys alone.", "仅公钥。"))},
    (MalformedInput, StorageFailed),
)
_TRUST_KEY = Doc(
    _GROUP,
    Text("Trust a key, or those that an authority vouches for", "信任一个密钥或证书颁发机构"),
    {200: Answer(KeyLine, Text("It is trusted.", "已信任。"))},
    (MalformedInput, TooLarge, StorageFailed),
    TrustWish,
    {
        "pem": "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n"
        "-----END PUBLIC KEY-----\n",
        "name": "the trainers",
        "models": ["text-*"],
    },
)
_REVOKE = Doc(
    _GROUP,
    Text("Believe nothing any longer that a key signed", "不再信任某个密钥签署的一切"),
    {200: Answer(KeyLine, Text("It is revoked.", "已吊销。"))},
    (MalformedInput, TooLarge, StorageFailed),
    RevokeWish,
    {"reason": "its laptop was stolen"},
    body_optional=True,
)
_RESEAL = Doc(
    _GROUP,
    Text("Wrap the keys of sealed versions with the server's first seal key", "用服务器的首个封装密钥重新封装版本密钥"),
    {200: Answer(ResealedList, Text("No file is encrypted anew.", "文件不会重新加密。"))},
    (MalformedInput, TooLarge, Tampered, KeyServiceFailed, StorageFailed),
    ResealWish,
    {"model": "sentiment", "reason": "a new key"},
    body_optional=True,
)
