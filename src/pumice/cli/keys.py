"""``pumice keys``: on the home, or with ``--url`` on a running server."""

from __future__ import annotations

import getpass
import time
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

import msgspec
import typer

from pumice.cli.output import console, print_json
from pumice.cli.servers import ApiKeyOption, connect
from pumice.client import Client
from pumice.config import load_settings
from pumice.domain.errors import PumiceError
from pumice.service.access.audit import Act, Audit
from pumice.service.access.keys import KeyStore
from pumice.service.access.types import KeyInfo, KeyWish, NewKey

T = TypeVar("T")

_TIMEOUT_S = 30.0

ServerOption = Annotated[
    str | None, typer.Option("--url", metavar="URL", help="A running server, instead of the home.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="Id of the key, as `pumice keys list` shows it.")]


def create(  # noqa: PLR0913, PLR0917 - a command's options are its parameters
    name: Annotated[str, typer.Option(help="What people call it.")],
    scope: Annotated[
        list[str],
        typer.Option(metavar="VERB:MODEL", help="What it may do: infer, read or manage a model; * is all. Repeatable."),
    ],
    expires: Annotated[str | None, typer.Option(metavar="SPAN", help="How long it is good, like 30d or 12h.")] = None,
    rate: Annotated[float | None, typer.Option(help="Requests per second. [the setting rate_limit]")] = None,
    burst: Annotated[int | None, typer.Option(help="Requests at once. [one second's worth]")] = None,
    url: ServerOption = None,
    api_key: ApiKeyOption = None,
    json: JsonOption = False,
) -> None:
    """Make a key and show it this once."""
    wish = KeyWish(name=name, scopes=scope, expires=expires, rate=rate, burst=burst)
    if url is None:
        told = {"name": name, "scopes": " ".join(scope)}
        made = _at_home("keys create", told, lambda store, who: store.create(wish, who))
    else:
        with _server(url, api_key) as client:
            made = msgspec.convert(client.manage("POST", "/api/keys", wish), NewKey)
    _show_new(made, as_json=json)


def every(url: ServerOption = None, api_key: ApiKeyOption = None, json: JsonOption = False) -> None:
    """List the keys, without what is secret of them."""
    if url is None:
        settings = load_settings({})
        store = KeyStore.open(settings.home_path, settings.database)
        try:
            keys = store.every()
        finally:
            store.close()
    else:
        with _server(url, api_key) as client:
            keys = msgspec.convert(client.manage("GET", "/api/keys")["keys"], list[KeyInfo])
    if json:
        print_json({"keys": msgspec.to_builtins(keys)})
        return
    from rich.table import Table

    table = Table("id", "name", "scopes", "rate/s", "state", "last used")
    for key in keys:
        rate = "" if key.rate is None else f"{key.rate:g}"
        table.add_row(key.id, key.name, " ".join(key.scopes), rate, _state(key, time.time()), _day(key.used))
    console().print(table)


def revoke(
    key_id: IdArgument, url: ServerOption = None, api_key: ApiKeyOption = None, json: JsonOption = False
) -> None:
    """End a key; servers refuse it within a second."""
    if url is None:
        ended = _at_home("keys revoke", {"key": key_id}, lambda store, _who: store.revoke(key_id))
    else:
        with _server(url, api_key) as client:
            ended = msgspec.convert(client.manage("DELETE", _path(key_id)), KeyInfo)
    if json:
        print_json(msgspec.to_builtins(ended))
    else:
        typer.echo(f"key {ended.id} ({ended.name}) has ended")


def rotate(
    key_id: IdArgument,
    grace: Annotated[str, typer.Option(metavar="SPAN", help="How long the old one stays good.")] = "24h",
    url: ServerOption = None,
    api_key: ApiKeyOption = None,
    json: JsonOption = False,
) -> None:
    """Replace a key; the old one stays good for a while."""
    if url is None:
        told = {"key": key_id, "grace": grace}
        made = _at_home("keys rotate", told, lambda store, who: store.rotate(key_id, grace, who))
    else:
        with _server(url, api_key) as client:
            made = msgspec.convert(client.manage("POST", f"{_path(key_id)}/rotate", {"grace": grace}), NewKey)
    _show_new(made, as_json=json)


def _at_home(what: str, target: Mapping[str, str], run: Callable[[KeyStore, str], T]) -> T:
    """Do something to the keys of the home, and write it down."""
    settings = load_settings({})
    who = f"local:{getpass.getuser()}"
    result = "done"
    store = KeyStore.open(settings.home_path, settings.database)
    try:
        return run(store, who)
    except PumiceError as error:
        result = f"failed: {error.message}"
        raise
    finally:
        store.close()
        audit = Audit(settings.home_path, settings.audit_max_bytes)
        audit.record(Act(who=who, what=what, target=target, result=result, origin="local"))


def _server(url: str, api_key: str | None) -> Client:
    return connect(url, _TIMEOUT_S, api_key)


def _path(key_id: str) -> str:
    return f"/api/keys/{quote(key_id, safe='')}"


def _show_new(made: NewKey, *, as_json: bool) -> None:
    if as_json:
        told: dict[str, Any] = msgspec.to_builtins(made)
        print_json(told)
        return
    typer.echo(made.key)
    ends = _day(made.info.expires) if made.info.expires else "never"
    note = f"key {made.info.id} ({made.info.name}): {' '.join(made.info.scopes)}; ends: {ends}; it is not shown again"
    typer.echo(note, err=True)


def _state(key: KeyInfo, now: float) -> str:
    if key.revoked is not None:
        return f"revoked {_day(key.revoked)}"
    if key.expires is None:
        return "good"
    return f"good until {_day(key.expires)}" if key.expires > now else f"ended {_day(key.expires)}"


def _day(moment: float | None) -> str:
    return "" if moment is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(moment))
