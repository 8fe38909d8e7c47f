"""``pumice models push`` and ``pull``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from pumice.cli.models.common import JsonOption, ReasonOption, RefArgument, UrlOption, Where, size_text, telling
from pumice.cli.output import print_json
from pumice.cli.servers import ApiKeyOption
from pumice.domain.errors import BadArtefact, BadSetting
from pumice.service.store import Store
from pumice.service.store.types import PushWish


def push(  # noqa: PLR0913, PLR0917 - a command's options are its parameters
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A model's file, or a folder, which is taken whole.")],
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Name of the model.")],
    parent: Annotated[
        list[str] | None, typer.Option(metavar="REF", help="A version that this one was made from. Repeatable.")
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option(metavar="FILE", help="How it was made from its parents, as a JSON object.")
    ] = None,
    drop_signature: Annotated[
        bool, typer.Option("--drop-signature", help="Leave out the signature that lies in the folder, unchecked.")
    ] = False,
    seal: Annotated[
        bool, typer.Option("--seal", help="Encrypt it with the key of the setting seal_key before it is written.")
    ] = False,
    mend: Annotated[
        bool,
        typer.Option(
            "--mend",
            help="Compare with what is stored of it also in an object store, and write anew what is damaged there.",
        ),
    ] = False,
    sign: Annotated[
        bool, typer.Option("--sign", help="With --url: sign the files with this home's key too, beside the server's.")
    ] = False,
    reason: ReasonOption = "",
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
    json: JsonOption = False,
) -> None:
    """Store a model as the next version of a name."""
    if sign and url is None:
        raise BadSetting("--sign", "without --url", "it with --url: a home signs what is pushed into it anyway")
    wish = PushWish(
        parents=tuple(parent or ()),
        recipe=_recipe(recipe),
        reason=reason,
        drop_signature=drop_signature,
        seal=seal,
        mend=mend,
    )
    with telling("pushing") as tell:
        target = {"source": source, "model": name}
        record = Where(url, api_key).storing(
            "models push", target, lambda store: store.push(source, name, wish, tell), signs=sign
        )
    if json:
        print_json(msgspec.to_builtins(record))
        return
    typer.echo(f"{record.model}@{record.version}")
    told = f"{record.files} files, {size_text(record.size)}, of which {size_text(record.stored)} were new"
    typer.echo(f"{told}; digest {record.digest}", err=True)


def pull(
    ref: RefArgument,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that is not there yet, or empty.")],
    unseal: Annotated[
        bool, typer.Option("--unseal", help="Decrypt a sealed version: its files then lie in DIR for all to read.")
    ] = False,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
    json: JsonOption = False,
) -> None:
    """Write the files of a version into a folder."""
    with telling("pulling") as tell, Where(url, api_key).taking() as store:
        record = store.pull(ref, folder, tell, unseal=unseal)
        sealed = unseal and isinstance(store, Store) and store.seals.row(record) is not None
    if sealed:
        typer.echo(f"the files of {record.model}@{record.version} now lie unsealed in {folder}", err=True)
    if json:
        print_json(msgspec.to_builtins(record))
    else:
        typer.echo(f"{record.model}@{record.version}: {record.files} files, {size_text(record.size)}, in {folder}")


def _recipe(file: Path | None) -> dict[str, object]:
    if file is None:
        return {}
    try:
        found = msgspec.json.decode(file.read_bytes())
    except OSError as error:
        raise BadArtefact(str(file), f"it cannot be read: {error.strerror}", "mend its path") from None
    except msgspec.DecodeError as error:
        raise BadArtefact(str(file), f"it is no JSON: {error}", "mend it") from None
    if not isinstance(found, dict):
        raise BadArtefact(str(file), f"it holds a {type(found).__name__}", "write a JSON object")
    return found
