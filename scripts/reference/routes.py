"""The page of all routes over HTTP, from the same list that makes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pumice.app.launcher import ReplicaLauncher
from pumice.config import Settings
from pumice.gateway.http.app import all_endpoints
from pumice.gateway.http.context import HttpContext
from pumice.gateway.http.endpoint import Doc, Endpoint
from pumice.gateway.http.errors import STATUSES
from pumice.gateway.http.openapi import GROUPS, HEADERS, QUERY
from pumice.service.catalog import Catalog
from pumice.service.inference import Inference
from pumice.service.models import Models, ModelsOptions
from pumice.service.sources import Sources
from pumice.service.store import Store
from pumice.service.store.opened import OpenStore
from pumice.service.tasks import Tasks
from scripts.reference.markdown import code, table

LEAD = """\
Shapes of bodies are in the OpenAPI document of a running server: `/openapi.json`, readable at `/docs`.
Every answer carries `x-request-id`, and one of a model `x-model-version`. How errors look is told in
[Errors](errors.md).
"""


def page() -> str:
    """Write the page."""
    settings, nowhere = Settings(), Path("unused")
    inference, sources = Inference(Catalog()), Sources(settings)
    models = Models(
        inference.catalog, ReplicaLauncher(settings, {}, sources), ModelsOptions(), settings.of_model, sources
    )
    # nothing is served and nothing is written: the routes are only looked at
    tasks, store = Tasks(inference, nowhere), OpenStore(Store)
    endpoints = all_endpoints(HttpContext(inference, tasks, models, store, max_body_bytes=1))
    parts = ["# HTTP\n", LEAD]
    for tag, title in GROUPS.items():
        told = [(endpoint, endpoint.doc) for endpoint in endpoints if endpoint.doc and endpoint.doc.tag == tag]
        parts += [f"## {title.en}\n", _routes(told)]
    heads = [(code(name), text.en) for name, text in HEADERS.items()]
    parts += ["## Headers of a request\n", table(("header", "what it says"), heads)]
    asked = [(code(name), text.en) for name, text in QUERY.items()]
    parts += ["## Behind the question mark\n", table(("name", "what it says"), asked)]
    return "\n".join(parts)


def _routes(told: Sequence[tuple[Endpoint, Doc]]) -> str:
    rows = [
        (endpoint.method, code(endpoint.path), doc.summary.en, endpoint.verb.value, _statuses(doc))
        for endpoint, doc in told
    ]
    return table(("method", "path", "what it does", "needs", "answers"), rows)


def _statuses(doc: Doc) -> str:
    return ", ".join(map(str, sorted({*doc.answers, *(STATUSES[error] for error in doc.errors)})))
