"""``/api/keys``: keys are made, listed, replaced and ended over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from pumice.domain.access import Verb
from pumice.domain.errors import KeyNotFound, MalformedInput, StorageFailed, TooLarge, Unsupported
from pumice.gateway.http.context import HttpContext
from pumice.gateway.http.endpoint import Answer, Doc, Endpoint, Text
from pumice.gateway.http.reading import caller_of, parameter, read_json
from pumice.gateway.http.replies import json_reply
from pumice.service.access.known_keys import KnownKeys
from pumice.service.access.types import KeyInfo, KeyWish, NewKey

_GROUP = "keys"
_NO_STORE = {"cache-control": "no-store"}


class KeyList(msgspec.Struct):
    """All keys, those that have ended too, the oldest first."""

    keys: list[KeyInfo]


class Rotation(msgspec.Struct, forbid_unknown_fields=True):
    """How a key is replaced.

    Attributes:
        grace: How long the old one stays good, for example ``24h``.
    """

    grace: str = "24h"


def endpoints(context: HttpContext) -> Iterator[Endpoint]:
    """List the routes of keys."""
    keys = _Keys(context)
    yield Endpoint("GET", "/api/keys", Verb.MANAGE, keys.every, _LIST)
    yield Endpoint("POST", "/api/keys", Verb.MANAGE, keys.create, _CREATE)
    yield Endpoint("DELETE", "/api/keys/{key_id}", Verb.MANAGE, keys.revoke, _REVOKE)
    yield Endpoint("POST", "/api/keys/{key_id}/rotate", Verb.MANAGE, keys.rotate, _ROTATE)


class _Keys:
    def __init__(self, context: HttpContext) -> None:
        self._context = context

    async def every(self, _request: Request) -> Response:
        return json_reply(KeyList(await asyncio.to_thread(self._known().store.every)), headers=_NO_STORE)

    async def create(self, request: Request) -> Response:
        known = self._known()
        wish = await read_json(request, KeyWish, self._context.most_of_json)
        made = await asyncio.to_thread(known.store.create, wish, caller_of(request))
        return await self._made(request, known, made)

    async def rotate(self, request: Request) -> Response:
        known = self._known()
        grace = (await read_json(request, Rotation, self._context.most_of_json)).grace
        made = await asyncio.to_thread(known.store.rotate, parameter(request, "key_id"), grace, caller_of(request))
        return await self._made(request, known, made)

    async def revoke(self, request: Request) -> Response:
        known = self._known()
        info = await asyncio.to_thread(known.store.revoke, parameter(request, "key_id"))
        await known.refresh()
        return json_reply(info)

    async def _made(self, request: Request, known: KnownKeys, made: NewKey) -> Response:
        info = made.info
        request.state.audited = {"key": info.id, "name": info.name, "scopes": " ".join(info.scopes)}
        await known.refresh()
        return json_reply(made, 201, _NO_STORE)

    def _known(self) -> KnownKeys:
        keys = self._context.access.keys
        if keys is None:
            raise Unsupported(
                "managing keys on a server that does not ask for them",
                "start it with --auth keys, or use `pumice keys` on its home",
            )
        return keys


_LIST = Doc(
    _GROUP,
    Text("All keys, without what is secret of them", "列出所有密钥（不含密文）"),
    {200: Answer(KeyList, Text("Ended ones too.", "包含已失效的密钥。"))},
    (Unsupported, StorageFailed),
)
_CREATE = Doc(
    _GROUP,
    Text("Make a key", "创建密钥"),
    {201: Answer(NewKey, Text("The key is told this once.", "密钥仅在此返回一次。"))},
    (MalformedInput, TooLarge, Unsupported, StorageFailed),
    KeyWish,
    {"name": "shop", "scopes": ["infer:sentiment"], "expires": "30d", "rate": 100},
)
_REVOKE = Doc(
    _GROUP,
    Text("End a key; it is refused everywhere within a second", "吊销密钥，一秒内全局生效"),
    {200: Answer(KeyInfo, Text("It has ended.", "已吊销。"))},
    (KeyNotFound, Unsupported, StorageFailed),
)
_ROTATE = Doc(
    _GROUP,
    Text("Replace a key; both are good for a while", "轮换密钥，新旧密钥在过渡期内同时有效"),
    {201: Answer(NewKey, Text("The new key is told this once.", "新密钥仅在此返回一次。"))},
    (KeyNotFound, MalformedInput, TooLarge, Unsupported, StorageFailed),
    Rotation,
    {"grace": "24h"},
    body_optional=True,
)
