"""Operations on a server's model store, as `pumice.Store` has them for the one of a home."""

from __future__ import annotations

from typing import TypeVar
from urllib.parse import quote, urlencode

import msgspec

from pumice.client.flow import Call, Flow, Link
from pumice.client.models import decoded
from pumice.client.refusals import refusal
from pumice.domain.store.difference import Difference
from pumice.domain.store.names import Ref, parse_numbered, parse_ref
from pumice.domain.store.records import ModelSummary, Move, VersionRecord
from pumice.domain.store.told import Answered, AnsweredList, Collected, Lineage, ModelList, Shown, Verified, VersionList

T = TypeVar("T")

_LONG_S = 24 * 3600.0
"""Longest wait for an operation that reads or writes much (s); the server tells nothing before it is done."""

_NEWEST = "-"


def models(link: Link) -> Flow[list[ModelSummary]]:
    """Fetch every model with its newest version."""
    return (yield from _ask(link, Call("GET", "/api/models"), ModelList)).models


def versions(link: Link, name: str) -> Flow[list[VersionRecord]]:
    """Fetch every version of a model."""
    return (yield from _ask(link, Call("GET", _model(name)), VersionList)).versions


def show(link: Link, ref: str) -> Flow[Shown]:
    """Fetch all that is known of a version."""
    return (yield from _ask(link, Call("GET", _version(ref)), Shown))


def answered(link: Link, request_id: str) -> Flow[list[Answered]]:
    """Fetch which versions answered a request."""
    call = Call("GET", f"/api/requests/{quote(request_id, safe='')}")
    return (yield from _ask(link, call, AnsweredList)).answers


def at(link: Link, ref: str, moment: float) -> Flow[Move]:
    """Fetch the move by which an alias pointed to what it did at a moment."""
    parsed = parse_ref(ref)
    path = f"{_alias(parsed.model, parsed.alias)}?{urlencode({'at': repr(moment)})}"
    return (yield from _ask(link, Call("GET", path), Move))


def diff(link: Link, first: str, second: str) -> Flow[Difference]:
    """Fetch what changed from one version to another."""
    path = f"{_version(first)}/diff?{urlencode({'against': second})}"
    return (yield from _ask(link, Call("GET", path), Difference))


def lineage(link: Link, ref: str) -> Flow[Lineage]:
    """Fetch where a version comes from."""
    return (yield from _ask(link, Call("GET", f"{_version(ref)}/lineage"), Lineage))


def alias(link: Link, name: str, which: str, version: int, reason: str) -> Flow[Move]:
    """Let an alias point to a version."""
    call = _json("PUT", _alias(name, which), {"version": version, "reason": reason})
    return (yield from _ask(link, call, Move))


def rollback(link: Link, name: str, which: str, reason: str) -> Flow[Move]:
    """Let an alias point to where it pointed before."""
    return (yield from _ask(link, _json("POST", f"{_alias(name, which)}/rollback", {"reason": reason}), Move))


def delete(link: Link, ref: str, reason: str) -> Flow[VersionRecord]:
    """Take a version out."""
    query = f"?{urlencode({'reason': reason})}" if reason else ""
    call = Call("DELETE", f"{_version(str(parse_numbered(ref)))}{query}", repeatable=False)
    return (yield from _ask(link, call, VersionRecord))


def gc(link: Link, *, dry_run: bool) -> Flow[Collected]:
    """Give back the space of what no version needs."""
    return (yield from _ask(link, _json("POST", "/api/store/gc", {"dry_run": dry_run}), Collected, _LONG_S))


def verify(link: Link, ref: str) -> Flow[Verified]:
    """Hold stored bytes against their digests."""
    path = f"{_version(ref)}/verify" if ref else "/api/store/verify"
    return (yield from _ask(link, Call("POST", path), Verified, _LONG_S))


def _ask(link: Link, call: Call, kind: type[T], timeout_s: float | None = None) -> Flow[T]:
    reply = yield from link.exchange(call, timeout_s)
    if not reply.ok:
        raise refusal(reply)
    return decoded(call, reply, kind)


def _json(method: str, path: str, body: dict[str, object]) -> Call:
    headers = {"content-type": "application/json"}
    return Call(method, path, headers, msgspec.json.encode(body), repeatable=method != "POST")


def _model(name: str) -> str:
    return f"/api/models/{quote(name, safe='')}"


def _alias(name: str, alias: str) -> str:
    return f"{_model(name)}/aliases/{quote(alias, safe='')}"


def _version(ref: str) -> str:
    parsed = parse_ref(ref)
    return f"{_model(parsed.model)}/versions/{_which(parsed)}"


def _which(ref: Ref) -> str:
    return ref.alias or (_NEWEST if ref.version is None else str(ref.version))
