"""The routes of the model store: read what is asked, have the store do it in a thread, and tell what came of it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from pumice.domain.access import Verb
from pumice.domain.errors import MalformedInput, RequestNotFound
from pumice.domain.store.names import parse_ref
from pumice.domain.store.told import Answered, AnsweredList, Lineage, ModelList, VersionList
from pumice.domain.store.wishes import Why
from pumice.gateway.http.context import HttpContext
from pumice.gateway.http.endpoint import Endpoint
from pumice.gateway.http.reading import actor_of, parameter, principal_of, query_of, read_json
from pumice.gateway.http.replies import json_reply
from pumice.gateway.http.store import signing, transfers, wire
from pumice.gateway.http.store.asking import MODEL, VERSION, name_of, ref_of, told
from pumice.service.store import Store

T = TypeVar("T")

_ALIAS = f"{MODEL}/aliases/{{alias}}"


def endpoints(context: HttpContext) -> Iterator[Endpoint]:
    """List the routes of the model store."""
    store = _Store(context)
    yield Endpoint("GET", "/api/models", Verb.READ, store.models, wire.LIST, narrow=True)
    yield Endpoint("GET", MODEL, Verb.READ, told(store.versions), wire.VERSIONS)
    yield Endpoint("GET", VERSION, Verb.READ, told(store.show), wire.SHOW)
    yield Endpoint("DELETE", VERSION, Verb.MANAGE, told(store.delete), wire.DELETE)
    yield Endpoint("GET", f"{VERSION}/diff", Verb.READ, told(store.diff), wire.DIFF)
    yield Endpoint("GET", f"{VERSION}/lineage", Verb.READ, told(store.lineage), wire.LINEAGE)
    yield Endpoint("POST", f"{VERSION}/verify", Verb.MANAGE, told(store.verify), wire.VERIFY)
    yield Endpoint("GET", _ALIAS, Verb.READ, told(store.alias), wire.ALIAS)
    yield Endpoint("PUT", _ALIAS, Verb.MANAGE, told(store.set_alias), wire.SET_ALIAS)
    yield Endpoint("POST", f"{_ALIAS}/rollback", Verb.MANAGE, told(store.rollback), wire.ROLLBACK)
    yield Endpoint("GET", "/api/requests/{request_id}", Verb.READ, store.answers, wire.ANSWERS, narrow=True)
    yield Endpoint("POST", "/api/store/verify", Verb.MANAGE, store.verify_all, wire.VERIFY_ALL)
    yield Endpoint("POST", "/api/store/gc", Verb.MANAGE, store.collect, wire.COLLECT)
    yield from transfers.endpoints(context)
    yield from signing.endpoints(context)


class _Store:
    def __init__(self, context: HttpContext) -> None:
        self._ask = context.store.ask
        self._ask_alone = context.store.ask_alone
        self._limit = context.most_of_json

    async def models(self, request: Request) -> Response:
        query_of(request, ())
        may = principal_of(request).allows
        found = await self._ask(lambda store: store.models())
        return json_reply(ModelList([model for model in found if may(Verb.READ, model.model)]))

    async def versions(self, request: Request) -> object:
        query_of(request, ())
        name = name_of(request)
        return VersionList(await self._ask(lambda store: store.versions(name)))

    async def show(self, request: Request) -> object:
        query_of(request, ())
        ref = ref_of(request)
        return await self._ask(lambda store: store.show(ref))

    async def delete(self, request: Request) -> object:
        reason = _reason(query_of(request, ("reason",)).get("reason", ""))
        ref = ref_of(request)
        return await self._change(request, lambda store: store.delete(ref, reason))

    async def diff(self, request: Request) -> object:
        ref, against = ref_of(request), query_of(request, ("against",)).get("against")
        if against is None:
            raise MalformedInput("parameter 'against'", "missing; expected NAME, NAME@VERSION or NAME@ALIAS")
        principal_of(request).permit(Verb.READ, parse_ref(against).model)
        return await self._ask(lambda store: store.diff(ref, against))

    async def lineage(self, request: Request) -> object:
        query_of(request, ())
        ref, may = ref_of(request), principal_of(request).allows
        found = await self._ask(lambda store: store.lineage(ref))
        return _seen_by(found, lambda model: may(Verb.READ, model))

    async def verify(self, request: Request) -> object:
        query_of(request, ())
        ref = ref_of(request)
        return await self._ask_alone(lambda store: store.verify(ref))

    async def alias(self, request: Request) -> object:
        at = query_of(request, ("at",)).get("at")
        moment = time.time() if at is None else _moment(at)
        ref = f"{name_of(request)}@{parameter(request, 'alias')}"
        return await self._ask(lambda store: store.at(ref, moment))

    async def set_alias(self, request: Request) -> object:
        query_of(request, ())
        wish = await read_json(request, wire.AliasWish, self._limit)
        name, alias = name_of(request), parameter(request, "alias")
        request.state.audited = {"version": str(wish.version)}
        return await self._change(request, lambda store: store.alias(name, alias, wish.version, wish.reason))

    async def rollback(self, request: Request) -> object:
        query_of(request, ())
        wish = await read_json(request, wire.RollbackWish, self._limit)
        name, alias = name_of(request), parameter(request, "alias")
        return await self._change(request, lambda store: store.rollback(name, alias, wish.reason))

    async def answers(self, request: Request) -> Response:
        query_of(request, ())
        request_id, may = parameter(request, "request_id"), principal_of(request).allows
        found = await self._ask(lambda store: answered(store, request_id))
        seen = [one for one in found if may(Verb.READ, one.name)]
        if not seen:
            raise RequestNotFound(request_id)
        return json_reply(AnsweredList(seen))

    async def verify_all(self, request: Request) -> Response:
        query_of(request, ())
        return json_reply(await self._ask_alone(lambda store: store.verify()))

    async def collect(self, request: Request) -> Response:
        query_of(request, ())
        wish = await read_json(request, wire.CollectWish, self._limit)
        return json_reply(await self._ask_alone(lambda store: store.gc(dry_run=wish.dry_run)))

    async def _change(self, request: Request, work: Callable[[Store], T]) -> T:
        return await self._ask(work, actor_of(request))


def answered(store: Store, request_id: str) -> list[Answered]:
    """Ask the log of answers that lies beside a store."""
    from pumice.service.answers.log import answered as find  # SQLAlchemy: in the thread that has opened the store

    return find(store.engine, request_id)


def _reason(text: str) -> str:
    try:
        return msgspec.convert(text, Why)
    except msgspec.ValidationError as error:
        raise MalformedInput("parameter 'reason'", str(error)) from None


def _moment(text: str) -> float:
    try:
        moment = float(text)
    except ValueError:
        moment = _time(text)
    if not math.isfinite(moment):
        raise MalformedInput("parameter 'at'", f"'{text[:40]}'; expected a number")
    return moment


def _time(text: str) -> float:
    try:
        read = datetime.fromisoformat(text)
        if read.tzinfo is not None:
            return read.timestamp()
    except (ValueError, OverflowError):
        pass
    raise MalformedInput(
        "parameter 'at'", f"'{text[:40]}'; expected seconds since 1970, or a time with its zone: 2026-03-03T10:00:00Z"
    )


def _seen_by(found: Lineage, may: Callable[[str], bool]) -> Lineage:
    """Leave out what the caller may not look at: of hidden models it hears the references that manifests name."""
    model = parse_ref(found.ref).model
    if not may(model):
        return Lineage(ref=found.ref, digest=found.digest, recipe={}, parents=[], children=[])
    return Lineage(
        ref=found.ref,
        digest=found.digest,
        recipe=found.recipe,
        parents=[_seen_by(parent, may) for parent in found.parents],
        children=[child for child in found.children if may(parse_ref(child).model)],
    )
