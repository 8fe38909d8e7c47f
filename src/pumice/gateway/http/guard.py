"""The door of all other routes: made from what each says that it asks of its caller."""

from __future__ import annotations

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from pumice.domain.access import ANYBODY, EVERY, Principal, Verb
from pumice.domain.errors import NotAllowed
from pumice.gateway.http.endpoint import Endpoint, Handler
from pumice.gateway.http.reading import parameter, principal_of
from pumice.service.access.audit import Act, Audit
from pumice.service.access.doors import Doors


def guarded(endpoint: Endpoint, handler: Handler, doors: Doors | None, audit: Audit | None) -> Handler:
    """Put the door before a handler.

    Args:
        endpoint: Says what is asked of the caller.
        handler: Answers those who may come in.
        doors: Say who may; None: everybody.
        audit: Is told of every management act.
    """

    async def enter(request: Request) -> Response:
        certified = getattr(request.state, "certified", "")
        request.state.principal = replace(ANYBODY, caller=certified) if certified else ANYBODY
        if doors is not None and endpoint.verb is not Verb.OPEN:
            standing = await doors.known(request.headers.get("authorization", ""))
            request.state.principal = standing.principal
            _permit(request, endpoint, standing.principal)
            await doors.admitted(standing)
        return await handler(request)

    if audit is None or endpoint.verb is not Verb.MANAGE or endpoint.quiet:
        return enter
    written = audit

    async def audited(request: Request) -> Response:
        result = "failed"
        try:
            response = await enter(request)
            result = "done" if response.status_code < 400 else str(response.status_code)
        except NotAllowed as error:
            result = f"denied: {error.message}"
            raise
        except Exception as error:
            result = f"failed: {error}"
            raise
        else:
            return response
        finally:
            await written.write(
                Act(
                    who=_who(request),
                    what=f"{endpoint.method} {endpoint.path}",
                    target={**request.path_params, **getattr(request.state, "audited", {})},
                    result=result,
                    origin=request.client.host if request.client else "",
                    request_id=request.state.request_id,
                )
            )

    return audited


def _who(request: Request) -> str:
    return principal_of(request).caller or "anybody"


def _permit(request: Request, endpoint: Endpoint, principal: Principal) -> None:
    if not endpoint.narrow:
        principal.permit(endpoint.verb, parameter(request, "model") or EVERY)
    elif not principal.allows_some(endpoint.verb):
        principal.permit(endpoint.verb, EVERY)
