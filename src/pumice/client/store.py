"""Operations on a server's model store, as `pumice.Store` has them for the one of a home."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar
from urllib.parse import quote, urlencode

import msgspec

from pumice.client.flow import Call, Flow, Link
from pumice.client.models import decoded
from pumice.client.refusals import refusal
from pumice.domain.store.difference import Difference
from pumice.domain.store.names import Ref, parse_numbered, parse_ref
from pumice.domain.store.records import ModelSummary, Move, VersionRecord
from pumice.domain.store.told import (
    Answered,
    AnsweredList,
    Collected,
    KeyLine,
    KeyLines,
    Lineage,
    ModelList,
    Resealed,
    ResealedList,
    Shown,
    SignedRefs,
    SignedStatement,
    StatementList,
    Verified,
    VersionList,
)

T = TypeVar("T")

LONG_S = 24 * 3600.0
"""Longest wait for an operation that reads or writes much (s); the server tells nothing before it is done."""

_NEWEST = "-"
_TRUST = "/api/store/trust"


def models(link: Link) -> Flow[list[ModelSummary]]:
    """Fetch every model with its newest version."""
    return (yield from ask(link, Call("GET", "/api/models"), ModelList)).models


def versions(link: Link, name: str) -> Flow[list[VersionRecord]]:
    """Fetch every version of a model."""
    return (yield from ask(link, Call("GET", model_path(name)), VersionList)).versions


def show(link: Link, ref: str) -> Flow[Shown]:
    """Fetch all that is known of a version."""
    return (yield from ask(link, Call("GET", version_path(ref)), Shown))


def answered(link: Link, request_id: str) -> Flow[list[Answered]]:
    """Fetch which versions answered a request."""
    call = Call("GET", f"/api/requests/{quote(request_id, safe='')}")
    return (yield from ask(link, call, AnsweredList)).answers


def at(link: Link, ref: str, moment: float) -> Flow[Move]:
    """Fetch the move by which an alias pointed to what it did at a moment."""
    parsed = parse_ref(ref)
    path = f"{_alias(parsed.model, parsed.alias)}?{urlencode({'at': repr(moment)})}"
    return (yield from ask(link, Call("GET", path), Move))


def diff(link: Link, first: str, second: str) -> Flow[Difference]:
    """Fetch what changed from one version to another."""
    path = f"{version_path(first)}/diff?{urlencode({'against': second})}"
    return (yield from ask(link, Call("GET", path), Difference))


def lineage(link: Link, ref: str) -> Flow[Lineage]:
    """Fetch where a version comes from."""
    return (yield from ask(link, Call("GET", f"{version_path(ref)}/lineage"), Lineage))


def alias(link: Link, name: str, which: str, version: int, reason: str) -> Flow[Move]:
    """Let an alias point to a version."""
    call = json_call("PUT", _alias(name, which), {"version": version, "reason": reason})
    return (yield from ask(link, call, Move))


def rollback(link: Link, name: str, which: str, reason: str) -> Flow[Move]:
    """Let an alias point to where it pointed before."""
    return (yield from ask(link, json_call("POST", f"{_alias(name, which)}/rollback", {"reason": reason}), Move))


def delete(link: Link, ref: str, reason: str) -> Flow[VersionRecord]:
    """Take a version out."""
    query = f"?{urlencode({'reason': reason})}" if reason else ""
    call = Call("DELETE", f"{version_path(str(parse_numbered(ref)))}{query}", repeatable=False)
    return (yield from ask(link, call, VersionRecord))


def gc(link: Link, *, dry_run: bool) -> Flow[Collected]:
    """Give back the space of what no version needs."""
    return (yield from ask(link, json_call("POST", "/api/store/gc", {"dry_run": dry_run}), Collected, LONG_S))


def verify(link: Link, ref: str) -> Flow[Verified]:
    """Hold stored bytes against their digests."""
    path = f"{version_path(ref)}/verify" if ref else "/api/store/verify"
    return (yield from ask(link, Call("POST", path), Verified, LONG_S))


def statements(link: Link, ref: str) -> Flow[list[SignedStatement]]:
    """Fetch every signed statement about a version."""
    return (yield from ask(link, Call("GET", f"{version_path(ref)}/statements"), StatementList)).statements


def attest(link: Link, ref: str, form: str, predicate: Mapping[str, object]) -> Flow[SignedStatement]:
    """Have a further statement about a version signed."""
    call = json_call("POST", f"{version_path(ref)}/statements", {"form": form, "predicate": dict(predicate)})
    return (yield from ask(link, call, SignedStatement))


def sign(link: Link, name: str) -> Flow[list[VersionRecord]]:
    """Have what no trusted key signed signed by the server."""
    call = Call("POST", f"{model_path(name)}/sign")
    return (yield from ask(link, call, SignedRefs, LONG_S)).signed


def keys(link: Link) -> Flow[list[KeyLine]]:
    """Fetch the key that the server signs with, and those that it trusts."""
    return (yield from ask(link, Call("GET", _TRUST), KeyLines)).keys


def trust(link: Link, pem: str, models: Sequence[str], name: str) -> Flow[KeyLine]:
    """Let the server trust a key."""
    body: dict[str, object] = {"pem": pem, "models": list(models), "name": name}
    return (yield from ask(link, json_call("POST", _TRUST, body), KeyLine))


def revoke(link: Link, key: str, reason: str) -> Flow[KeyLine]:
    """Let the server believe nothing any longer that a key signed."""
    call = json_call("POST", f"{_TRUST}/{quote(key, safe='')}/revoke", {"reason": reason})
    return (yield from ask(link, call, KeyLine))


def reseal(link: Link, name: str, reason: str) -> Flow[list[Resealed]]:
    """Let the server wrap the keys of sealed versions with its first key."""
    call = json_call("POST", "/api/store/reseal", {"model": name, "reason": reason})
    return (yield from ask(link, call, ResealedList, LONG_S)).resealed


def ask(link: Link, call: Call, kind: type[T], timeout_s: float | None = None) -> Flow[T]:
    """Send a request and read what comes of it."""
    reply = yield from link.exchange(call, timeout_s)
    if not reply.ok:
        raise refusal(reply)
    return decoded(call, reply, kind)


def json_call(method: str, path: str, body: dict[str, object], *, repeatable: bool | None = None) -> Call:
    """A request with JSON; left out, all but POST are repeatable."""
    headers = {"content-type": "application/json"}
    again = method != "POST" if repeatable is None else repeatable
    return Call(method, path, headers, msgspec.json.encode(body), repeatable=again)


def model_path(name: str) -> str:
    """Path of a model."""
    return f"/api/models/{quote(name, safe='')}"


def version_path(ref: str) -> str:
    """Path of a version."""
    parsed = parse_ref(ref)
    return f"{model_path(parsed.model)}/versions/{_which(parsed)}"


def _alias(name: str, alias: str) -> str:
    return f"{model_path(name)}/aliases/{quote(alias, safe='')}"


def _which(ref: Ref) -> str:
    return ref.alias or (_NEWEST if ref.version is None else str(ref.version))
