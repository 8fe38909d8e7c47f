"""The pages for people and what they show: the index, the documentation of the routes, and the OpenAPI document.

The pages are files under ``pages/``; they load nothing from elsewhere and get their data from the routes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from pumice.domain.access import Principal, Verb
from pumice.domain.errors import ModelNotReady
from pumice.domain.model import Parameter
from pumice.gateway.http.context import HttpContext, Served
from pumice.gateway.http.endpoint import Answer, Doc, Endpoint, Text
from pumice.gateway.http.oip import TensorMetadata, state_of, tensors_of
from pumice.gateway.http.reading import parameter, principal_of
from pumice.gateway.http.replies import json_reply
from pumice.observe.stats import VersionStats
from pumice.service.models import State

_PAGES = Path(__file__).parent / "pages"
_HTML = "text/html; charset=utf-8"
_TYPES: Mapping[str, str] = MappingProxyType(
    {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
)
_PAGE_HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "content-security-policy": (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
        "referrer-policy": "no-referrer",
        # an update of the server must not meet the scripts of the old one
        "cache-control": "no-cache",
        "vary": "accept",
    }
)


class ServedOverview(msgspec.Struct):
    """A served version as it stands; what only a loaded replica knows is empty until there is one.

    Attributes:
        name: Name of the model.
        version: Its version.
        state: Where it is in its life.
        reason: Why it is not ready.
        replicas: Its replicas.
        replicas_ready: Those of them that can answer.
        requests: Requests that were answered so far.
        task: What a caller sends and gets.
        platform: The field's name of the format.
        description: For people.
        labels: Names of the classes.
        placement: Provider, device, threads that were really chosen.
        inputs: What it takes.
        outputs: What it gives.
    """

    name: str
    version: str
    state: State
    reason: str
    replicas: int
    replicas_ready: int
    requests: int
    task: str = ""
    platform: str = ""
    description: str = ""
    labels: list[str] = []
    placement: dict[str, Parameter] = {}
    inputs: list[TensorMetadata] = []
    outputs: list[TensorMetadata] = []


class Overview(msgspec.Struct):
    """What is served.

    Attributes:
        name: Name of the server.
        version: Its version.
        ready: Whether every version can answer.
        models: All versions.
        links: Where to go on.
    """

    name: str
    version: str
    ready: bool
    models: list[ServedOverview]
    links: dict[str, str]


_LINKS = {"docs": "/docs", "openapi": "/openapi.json", "metrics": "/metrics", "ready": "/v2/health/ready"}


def endpoints(context: HttpContext, listed: list[Endpoint]) -> Iterator[Endpoint]:
    """List the routes of pages and documents.

    Args:
        context: What the routes work with.
        listed: All routes of the app, for the OpenAPI document; may be completed later.
    """
    site = _Site(context, listed)
    yield Endpoint("GET", "/", Verb.READ, site.index, _INDEX, narrow=True)
    yield Endpoint("GET", "/docs", Verb.READ, site.docs, _DOCS, narrow=True)
    yield Endpoint("GET", "/openapi.json", Verb.READ, site.openapi, _OPENAPI, narrow=True)
    yield Endpoint("GET", "/assets/{file}", Verb.READ, site.asset, narrow=True)


class _Site:
    def __init__(self, context: HttpContext, listed: list[Endpoint]) -> None:
        self._context = context
        self._listed = listed
        self._document = b""

    async def index(self, request: Request) -> Response:
        if "text/html" in request.headers.get("accept", ""):
            return _page("index.html")
        return json_reply(await self._overview(principal_of(request)), headers={"vary": "accept"})

    async def docs(self, _request: Request) -> Response:
        return _page("docs.html")

    async def openapi(self, _request: Request) -> Response:
        if not self._document:
            from pumice.gateway.http.openapi import document

            self._document = document(self._listed, "Pumice", self._context.version)
        return json_reply(self._document)

    async def asset(self, request: Request) -> Response:
        name = parameter(request, "file")
        if name not in _assets():
            raise HTTPException(404)
        return Response(_read(name), headers={**_PAGE_HEADERS, "content-type": _TYPES[Path(name).suffix]})

    async def _overview(self, principal: Principal) -> Overview:
        catalog = self._context.inference.catalog
        counted = {(seen.name, seen.version): seen.stats for seen in await self._context.inference.observed()}
        models = [
            _overview_of(served, counted.get((served.name, served.version), served.stats))
            for served in catalog.all()
            if principal.allows(Verb.READ, served.name)
        ]
        return Overview(self._context.server, self._context.version, catalog.ready, models, _LINKS)


def _overview_of(served: Served, stats: VersionStats) -> ServedOverview:
    overview = ServedOverview(
        name=served.name,
        version=served.version,
        state=state_of(served),
        reason=served.reason,
        replicas=len(served.replicas),
        replicas_ready=sum(replica.state == "ready" for replica in served.replicas),
        requests=stats.requests.total(),
    )
    profile = served.profile
    if profile is not None:
        overview.task = profile.task
        overview.platform = profile.platform
        overview.description = profile.description
        overview.labels = profile.labels
        overview.placement = profile.placement
        overview.inputs = tensors_of(profile.signature.inputs)
        overview.outputs = tensors_of(profile.signature.outputs)
    return overview


def _page(name: str) -> Response:
    return Response(_read(name), headers={**_PAGE_HEADERS, "content-type": _HTML})


@cache
def _assets() -> frozenset[str]:
    return frozenset(file.name for file in _PAGES.iterdir() if file.suffix in _TYPES)


@cache
def _read(name: str) -> bytes:
    return (_PAGES / name).read_bytes()


_GROUP = "server"
_INDEX = Doc(
    _GROUP,
    Text("What is served: JSON, or a page for browsers", "服务概览：JSON，浏览器则为网页"),
    {200: Answer(Overview, Text("All versions as they stand.", "所有版本的当前状态。"))},
    (ModelNotReady,),
)
_DOCS = Doc(_GROUP, Text("This documentation", "本文档页面"), {200: Answer("text/html", Text("A page.", "网页。"))})
_OPENAPI = Doc(
    _GROUP,
    Text("The OpenAPI document", "OpenAPI 文档"),
    {200: Answer(dict, Text("OpenAPI 3.1.", "OpenAPI 3.1。"))},
)
