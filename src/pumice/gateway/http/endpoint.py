"""What a route is: how it is reached, who answers, and what is said of it in the OpenAPI document.

Routes and document are made from the same list, so that neither can lack what the other has.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from pumice.domain.access import Verb
from pumice.domain.errors import PumiceError

Handler = Callable[[Request], Awaitable[Response]]
"""Answers one request; raises `PumiceError` for what it refuses."""


class Text(NamedTuple):
    """A line for people, in the languages that we speak."""

    en: str
    zh: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One way in which a route answers.

    Attributes:
        body: Type of the JSON body; a media type where it is no JSON; None where there is no body.
        text: What it means.
        event: Type of the JSON in each event, where the body is a stream of them.
    """

    body: Any
    text: Text
    event: Any = None


@dataclass(frozen=True, slots=True)
class Doc:
    """What is said of a route.

    Attributes:
        tag: Group that it is listed in, a key of `pumice.gateway.http.openapi.GROUPS`.
        summary: What it is for.
        answers: HTTP status -> answer, where it is no error.
        errors: What it may raise; each stands in the document with its status and the shape of its path.
        body: Type of the request's JSON body; a media type where it is no JSON; None where there is no body.
        example: A body to begin with.
        headers: Names of request headers that it heeds, of `pumice.gateway.http.openapi.HEADERS`.
        query: Names of what may stand behind the question mark, of `pumice.gateway.http.openapi.QUERY`.
        body_optional: Whether the body may be left out.
    """

    tag: str
    summary: Text
    answers: Mapping[int, Answer]
    errors: tuple[type[PumiceError], ...] = ()
    body: Any = None
    example: Any = None
    headers: tuple[str, ...] = field(default=())
    body_optional: bool = False
    query: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A route.

    Attributes:
        method: ``GET`` (which answers ``HEAD`` too), ``POST``, ``PUT`` or ``DELETE``.
        path: With parameters in braces.
        verb: What it asks of its caller.
        handler: Answers it; None where it is answered before it reaches this app.
        doc: What is said of it; None for parts of pages.
        narrow: The handler itself holds what it does, model by model, against the scopes of
            `pumice.gateway.http.reading.principal_of`, so any caller with the verb for some model comes in. Else the
            verb is needed for the path's ``{model}``, and for all models where the path has none.
        quiet: A part of an act whose other parts are written down: the audit record does not have it.
    """

    method: str
    path: str
    verb: Verb
    handler: Handler | None
    doc: Doc | None = None
    narrow: bool = False
    quiet: bool = False
