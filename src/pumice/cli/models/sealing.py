"""``pumice models seal-key`` and ``reseal``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from pumice.cli.models.common import JsonOption, ReasonOption, UrlOption, Where, changing
from pumice.cli.output import print_json
from pumice.cli.servers import ApiKeyOption
from pumice.store.seal_keys import file, keyring

_IN_KEYRING = "keyring:"


def seal_key(
    place: Annotated[
        str, typer.Argument(metavar="FILE", help="A file that is not there yet, or keyring:SERVICE/NAME.")
    ],
    json: JsonOption = False,
) -> None:
    """Make a key that versions are sealed with. Keep a copy: without it, nobody unseals them."""
    if place.startswith(_IN_KEYRING):
        setting, key = place, keyring.create(place.removeprefix(_IN_KEYRING))
    else:
        path = Path(place.removeprefix("file:")).expanduser().absolute()
        setting, key = f"file:{path}", file.create(path)
    if json:
        print_json({"id": key.id, "seal_key": setting})
    else:
        typer.echo(f"seal_key: {setting}")
        typer.echo(f"key {key.id}; keep a copy of it: what is sealed with it cannot be read without it", err=True)


def reseal(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="A model. [every model]")] = None,
    reason: ReasonOption = "",
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
    json: JsonOption = False,
) -> None:
    """Wrap the keys of sealed versions with the first key of seal_key; no file is encrypted anew."""
    if url is None:
        found = changing("models reseal", {"model": name or "*"}, lambda store: store.seals.reseal(name or "", reason))
    else:
        with Where(url, api_key).server() as store:
            found = store.reseal(name or "", reason)
    if json:
        print_json({"resealed": msgspec.to_builtins(found)})
        return
    for done in found:
        typer.echo(f"{done.model}@{done.version}: {done.before} -> {done.after}")
    typer.echo(f"{len(found)} versions have another key now", err=True)
