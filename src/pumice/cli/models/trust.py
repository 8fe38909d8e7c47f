"""``pumice models sign`` and ``trust``: who signs, and who is believed."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from pumice.cli.models.common import JsonOption, changing, time_text
from pumice.cli.output import console, print_json
from pumice.domain.errors import BadSetting
from pumice.domain.store.told import KeyLine
from pumice.domain.trust.policy import short
from pumice.service.store import Store


def sign(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Name of a model. [every model]")] = None,
    json: JsonOption = False,
) -> None:
    """Sign what no trusted key signed, and the state of each name as it is now: you vouch for it."""

    def run(store: Store) -> list[str]:
        names = [name] if name else store.statements.names()
        return [f"{one.model}@{one.version}" for each in names for one in store.statements.sign(each)]

    signed = changing("models sign", {"model": name or "*"}, run)
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
    public: Annotated[bool, typer.Option("--public", help="Print the public key that this home signs with.")] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why a key is revoked.")] = "",
    json: JsonOption = False,
) -> None:
    """List the keys that sign here and are trusted, or change them."""
    chosen = [key is not None, bool(revoke), rotate, public]
    if sum(chosen) > 1:
        raise BadSetting("models trust", "several things at once", "one of KEYFILE, --revoke, --rotate and --public")
    if key is not None:
        patterns = tuple(models or ("*",))
        _changed("trust", {"key": str(key)}, lambda store: store.keys.trust(key, patterns, name), as_json=json)
    elif revoke:
        _changed("revoke", {"key": revoke}, lambda store: store.keys.revoke(revoke, reason, time.time()), as_json=json)
    elif rotate:
        _changed("rotate", {}, lambda store: store.keys.rotate(), as_json=json)
    elif public:
        with Store() as store:
            typer.echo(store.keys.signing.public.decode(), nl=False)
    else:
        with Store() as store:
            _list(store.keys.lines(), as_json=json)


def _changed(what: str, target: dict[str, str], run: Callable[[Store], str], *, as_json: bool) -> None:
    key = changing(f"models trust: {what}", target, run)
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
