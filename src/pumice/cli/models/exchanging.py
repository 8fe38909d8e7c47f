"""``pumice models import`` and ``export``."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from pumice.cli.models.common import JsonOption, ReasonOption, RefArgument, UrlOption, Where, size_text, telling
from pumice.cli.output import print_json
from pumice.cli.servers import ApiKeyOption
from pumice.service.store import exchanging as service

AliasesOption = Annotated[bool, typer.Option("--aliases", help="Set the aliases that it has on the other side too.")]


def import_model(  # noqa: PLR0913, PLR0917 - a command's options are its parameters
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="FORM:PLACE, or a path whose form is plain.")],
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="Name of the model. [the one that it has there]")
    ] = "",
    aliases: AliasesOption = False,
    reason: ReasonOption = "",
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
    json: JsonOption = False,
) -> None:
    """Store a model that comes from another registry or form."""
    with telling("importing") as tell:
        found = Where(url, api_key).storing(
            "models import",
            {"source": source, "model": name},
            lambda store: service.import_model(store, source, name, aliases=aliases, reason=reason, progress=tell),
        )
    if json:
        print_json(msgspec.to_builtins(found))
        return
    record = found.record
    typer.echo(f"{record.model}@{record.version}")
    for note in found.notes:
        typer.echo(note, err=True)
    typer.echo(f"{record.files} files, {size_text(record.size)}; digest {record.digest}", err=True)


def export_model(
    ref: RefArgument,
    target: Annotated[str, typer.Argument(metavar="TARGET", help="FORM:PLACE.")],
    aliases: AliasesOption = False,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
    json: JsonOption = False,
) -> None:
    """Bring a version to another registry, or write it in another form."""
    with telling("exporting") as tell, Where(url, api_key).taking() as store:
        sent = service.export_model(store, ref, target, aliases=aliases, progress=tell)
    if json:
        print_json(msgspec.to_builtins(sent))
        return
    typer.echo(f"{sent.record.model}@{sent.record.version} is now {sent.place}")
    for note in sent.notes:
        typer.echo(note, err=True)
