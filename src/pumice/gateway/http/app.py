"""The ASGI app of everything over HTTP that is not the hot path."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from pumice.domain.errors import PumiceError
from pumice.gateway.http import (
    health,
    keys,
    kserve,
    metrics,
    oip,
    repository,
    seed,
    shared_memory,
    site,
    streaming,
    triton,
)
from pumice.gateway.http.context import HttpContext
from pumice.gateway.http.endpoint import Endpoint
from pumice.gateway.http.envelope import Envelope
from pumice.gateway.http.guard import guarded
from pumice.gateway.http.replies import error_reply, http_error_reply
from pumice.gateway.http.store import routes as store
from pumice.service.access.access import Access

_ELSEWHERE = "elsewhere"  # stands where the hot path answers POST

__all__ = ["HttpContext", "all_endpoints", "http_app"]


def http_app(context: HttpContext) -> ASGIApp:
    """Make the app.

    Inference (``POST …/infer``) is expected to be answered before it comes here.
    """
    app = Starlette(
        routes=[_route(endpoint, context.access) for endpoint in all_endpoints(context)],
        middleware=[Middleware(Envelope, context.budget, context.cors)],
        exception_handlers={PumiceError: _refuse, HTTPException: _refuse_http},
    )
    app.router.redirect_slashes = False
    return app


def all_endpoints(context: HttpContext) -> list[Endpoint]:
    """List every route that this server answers."""
    endpoints = [
        *triton.endpoints(context),
        *oip.endpoints(context),
        *streaming.endpoints(context),
        *repository.endpoints(context),
        *shared_memory.endpoints(context),
        *kserve.endpoints(context),
        *seed.endpoints(context),
        *health.endpoints(context),
        *metrics.endpoints(context),
        *store.endpoints(context),
        *keys.endpoints(context),
    ]
    endpoints += site.endpoints(context, endpoints)
    return endpoints


def _route(endpoint: Endpoint, access: Access) -> Route:
    if endpoint.handler is not None:
        handler = guarded(endpoint, endpoint.handler, access.doors, access.audit)
        return Route(endpoint.path, handler, methods=[endpoint.method])

    async def elsewhere(_request: Request) -> Response:
        raise HTTPException(405, headers={"Allow": endpoint.method})

    # the method of the endpoint itself does not come here
    return Route(endpoint.path, elsewhere, methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, PumiceError)  # noqa: S101 - it is registered for these only
    return error_reply(request, error)


async def _refuse_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for these only
    if error.status_code == 405:
        error.headers = {"Allow": ", ".join(sorted(_methods_at(request)))}
    return http_error_reply(request, error)


def _methods_at(request: Request) -> set[str]:
    """What a path takes: a path may have a route for each method, and be a name in the pattern of another."""
    by_path: dict[str, set[str]] = {}
    for route in request.app.routes:
        if route.path_regex.match(request.scope["path"]) and route.endpoint.__name__ != _ELSEWHERE:
            by_path.setdefault(route.path, set()).update(route.methods)
    # the one that leaves the least to names: "/v1/models/a:predict" is no model "a:predict"
    return by_path[max(by_path, key=len)] if by_path else {"POST"}
