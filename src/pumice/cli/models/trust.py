"""``pumice models sign`` and ``trust``: who signs, and who is believed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Protocol

import msgspec
import typer

from pumice.cli.models.common import JsonOption, UrlOption, Where, changing, time_text
from pumice.cli.output import console, print_json
from pumice.cli.servers import ApiKeyOption
from pumice.domain.errors import BadArtefact, BadSetting
from pumice.domain.store.records import VersionRecord
from pumice.domain.store.told import KeyLine
from pumice.domain.trust.policy import short
from pumice.service.store import Store


class Signs(Protocol):
    """Signs the versions of a name."""

    def sign(self, name: str) -> list[VersionRecord]:
        """See `pumice.service.store.statements.Statements`."""


def sign(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Name of a model. [every model]")] = None,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
    json: JsonOption = False,
) -> None:
    """Sign what no trusted key signed, and the state of each name as it is now: you vouch for it."""
    if url is None:
        records = changing(
            "models sign",
            {"model": name or "*"},
            lambda store: _sign([name] if name else store.statements.names(), store.statements),
        )
    else:
        with Where(url, api_key).server() as store:
            records = _sign([name] if name else [found.model for found in store.models()], store)
    signed = [f"{one.model}@{one.version}" for one in records]
    if json:
        print_json({"signed": signed})
        return
    for ref in signed:
        typer.echo(ref)
    typer.echo(f"{len(signed)} versions signed, each read and held against its digests before", err=True)


def trust(  # noqa: PLR0913, PLR0917 - a command's options are its parameters
    key: Annotated[
        Path | None,
        typer.Argument(metavar="[KEYFILE]", help="A public key, or an authority's certificate (PEM), to trust. [list]"),
    ] = None,
    models: Annotated[
        list[str] | None, typer.Option("--models", metavar="PATTERN", help="Models that it may sign. Repeatable. [*]")
    ] = None,
    name: Annotated[str, typer.Option("--name", help="Whose key it is.")] = "",
    revoke: Annotated[str, typer.Option("--revoke", metavar="ID", help="Believe nothing more that a key signed.")] = "",
    rotate: Annotated[bool, typer.Option("--rotate", help="Make a new key for this home.")] = False,
    public: Annotated[
        bool, typer.Option("--public", help="Print the public key that this home, or the server, signs with.")
    ] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why a key is revoked.")] = "",
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
    json: JsonOption = False,
) -> None:
    """List the keys that sign here, or on a server, and are trusted, or change them."""
    chosen = [key is not None, bool(revoke), rotate, public]
    if sum(chosen) > 1:
        raise BadSetting("models trust", "several things at once", "one of KEYFILE, --revoke, --rotate and --public")
    if rotate and url is not None:
        raise BadSetting("--rotate", "together with --url", "it on the server's machine: its key lies there")
    if key is not None:
        patterns = tuple(models or ("*",))
        _tell(_trust(key, patterns, name, Where(url, api_key)), as_json=json)
    elif revoke:
        _tell(_revoke(revoke, reason, Where(url, api_key)), as_json=json)
    elif rotate:
        _tell(changing("models trust: rotate", {}, lambda store: store.keys.rotate()), as_json=json)
    elif public:
        typer.echo(_public(Where(url, api_key)), nl=False)
    else:
        _list(_lines(Where(url, api_key)), as_json=json)


def _sign(names: list[str], signer: Signs) -> list[VersionRecord]:
    return [record for each in names for record in signer.sign(each)]


def _trust(file: Path, patterns: tuple[str, ...], name: str, where: Where) -> str:
    if where.url is None:
        return changing("models trust: trust", {"key": str(file)}, lambda store: store.keys.trust(file, patterns, name))
    try:
        pem = file.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise BadArtefact(str(file), f"it cannot be read: {error}", "give a public key or a certificate") from None
    with where.server() as store:
        return store.keys.trust(pem, patterns, name or file.stem).id


def _revoke(key: str, reason: str, where: Where) -> str:
    if where.url is None:
        return changing("models trust: revoke", {"key": key}, lambda store: store.keys.revoke(key, reason, time.time()))
    with where.server() as store:
        return store.keys.revoke(key, reason).id


def _public(where: Where) -> str:
    if where.url is None:
        with Store() as own:
            return own.keys.signing.public.decode()
    with where.server() as store:
        for line in store.keys.lines():
            if line.own:
                return line.public
    raise BadSetting("--public", "a server that never signed anything", "push a version there first")


def _lines(where: Where) -> list[KeyLine]:
    if where.url is None:
        with Store() as own:
            return own.keys.lines()
    with where.server() as store:
        return store.keys.lines()


def _tell(key: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"key": key})
    else:
        typer.echo(key)


def _list(lines: list[KeyLine], *, as_json: bool) -> None:
    if as_json:
        print_json({"keys": msgspec.to_builtins(lines)})
        return
    from rich.table import Table

    table = Table("key", "whose", "models", "state")
    for line in lines:
        state = f"revoked {time_text(line.revoked)} {line.reason}" if line.revoked is not None else "trusted"
        kind = ", signs here" if line.own else ", an authority" if line.authority else ""
        table.add_row(short(line.id), line.name, ", ".join(line.models), f"{state}{kind}")
    console().print(table)
