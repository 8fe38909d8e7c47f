"""What the routes of the model store share: how a version is named in a path, and how refusals are told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from pumice.domain.access import Verb
from pumice.domain.errors import BadSetting, MalformedInput, VersionNotFound
from pumice.domain.store.names import check_model_name
from pumice.gateway.http.endpoint import Handler
from pumice.gateway.http.reading import parameter, principal_of
from pumice.gateway.http.replies import json_reply

NEWEST = "-"
"""Stands for the newest version in a path; no alias may be called so."""

MODEL = "/api/models/{model}"
VERSION = f"{MODEL}/versions/{{ref}}"


def told(answer: Callable[[Request], Awaitable[object]]) -> Handler:
    """Answer with JSON. A name that may not be one is the caller's fault here, and it hears of no hidden models."""

    async def handler(request: Request) -> Response:
        try:
            reply = await answer(request)
            return reply if isinstance(reply, Response) else json_reply(reply)
        except BadSetting as error:
            raise MalformedInput(error.key, f"given {error.given}; allowed {error.allowed}") from None
        except VersionNotFound as error:
            may = principal_of(request).allows
            known = (name for name in error.known if may(Verb.READ, name.partition("@")[0]))
            raise VersionNotFound(error.ref, tuple(known)) from None

    return handler


def name_of(request: Request) -> str:
    """The model that a path names.

    Raises:
        BadSetting: No model may be called so.
    """
    return check_model_name(parameter(request, "model"))


def ref_of(request: Request) -> str:
    """The version that a path names.

    Raises:
        BadSetting: No model may be called so.
    """
    name, which = name_of(request), parameter(request, "ref")
    return name if which == NEWEST else f"{name}@{which}"
