"""``pumice models alias``, ``rollback``, ``delete``, ``gc`` and ``verify``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from pumice.cli.errors import ExitCode
from pumice.cli.models.common import (
    TIMEOUT_S,
    JsonOption,
    NameArgument,
    ReasonOption,
    UrlOption,
    Where,
    size_text,
    telling,
)
from pumice.cli.output import print_json
from pumice.cli.servers import ApiKeyOption, connect
from pumice.domain.errors import BadSetting
from pumice.domain.store.names import DEFAULT_ALIAS
from pumice.domain.store.records import Move
from pumice.domain.trust.policy import short
from pumice.service.store import Store


def alias(  # noqa: PLR0913, PLR0917 - a command's options are its parameters
    name: NameArgument,
    which: Annotated[str, typer.Argument(metavar="ALIAS", help="The alias, such as prod.")],
    version: Annotated[int, typer.Argument(metavar="VERSION", help="Number of the version.", min=1)],
    reason: ReasonOption = "",
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
    json: JsonOption = False,
) -> None:
    """Let an alias point to a version."""
    target = {"model": name, "alias": which, "version": str(version)}
    move = Where(url, api_key).changing("models alias", target, lambda store: store.alias(name, which, version, reason))
    _tell(move, as_json=json)


def rollback(
    name: NameArgument,
    which: Annotated[str, typer.Argument(metavar="[ALIAS]", help="The alias.")] = DEFAULT_ALIAS,
    reason: ReasonOption = "",
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
    json: JsonOption = False,
) -> None:
    """Let an alias point to where it pointed before, one step further back each time."""
    target = {"model": name, "alias": which}
    move = Where(url, api_key).changing("models rollback", target, lambda store: store.rollback(name, which, reason))
    _tell(move, as_json=json)


def delete(
    ref: Annotated[str, typer.Argument(metavar="REF", help="NAME@VERSION.")],
    reason: ReasonOption = "",
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
    json: JsonOption = False,
) -> None:
    """Delete a version; `pumice models gc` gives its space back."""
    record = Where(url, api_key).changing("models delete", {"ref": ref}, lambda store: store.delete(ref, reason))
    if json:
        print_json(msgspec.to_builtins(record))
    else:
        typer.echo(f"{record.model}@{record.version} is deleted; `pumice models gc` gives its space back")


def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be deleted.")] = False,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
    json: JsonOption = False,
) -> None:
    """Give back the space of what no version needs."""
    where = Where(url, api_key)
    if dry_run:
        with where.looking() as store:
            found = store.gc(dry_run=True)
    else:
        found = where.changing("models gc", {}, lambda store: store.gc())
    if json:
        print_json(msgspec.to_builtins(found))
        return
    verb = "would be deleted" if dry_run else "deleted"
    told = f"{found.packs + found.leftovers} files {verb}, {found.rewritten} written anew without what is not needed"
    typer.echo(f"{told}: {size_text(found.bytes)} come back")


def verify(
    ref: Annotated[str | None, typer.Argument(metavar="[REF]", help="A version. [the whole store]")] = None,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
    folder: Annotated[
        Path | None, typer.Option("--folder", metavar="DIR", help="A folder with a model.sig, instead of the store.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Hold every byte against digests and signatures, and certificates against their evidence; exit code 3: a no."""
    if folder is not None:
        if url is not None:
            raise BadSetting("--folder", "together with --url", "one of them: a folder is looked at on this machine")
        _verify_folder(folder, ref or "", as_json=json)
        return
    if url is None:
        with telling("verifying") as tell, Store() as store:
            found = store.verify(ref or "", tell)
    else:
        with connect(url, TIMEOUT_S, api_key) as client:
            found = client.store.verify(ref or "")
    if json:
        print_json(msgspec.to_builtins(found))
    else:
        for problem in dict.fromkeys([*found.problems, *found.unsigned]):
            typer.echo(problem, err=True)
        for signer, count in Counter(found.signers.values()).items():
            typer.echo(f"{count} signed by {signer}")
        if found.certificates:
            typer.echo(f"{found.certificates} certificates computed again from their evidence")
        for name in found.unopened:
            typer.echo(f"{name}: its key is not given, so its sealed bytes alone were looked at", err=True)
        state = f"{len(found.problems)} problems" if found.problems else "unchanged"
        typer.echo(f"{found.versions} versions, {found.files} files, {size_text(found.bytes)} read: {state}")
    if found.problems:
        raise typer.Exit(ExitCode.GATE)


def _verify_folder(folder: Path, model: str, *, as_json: bool) -> None:
    with Store() as store:
        files, signer = store.statements.folder(folder, model)
    if as_json:
        print_json({"files": files, "signer": msgspec.to_builtins(signer)})
    else:
        who = f"signed by {short(signer.key)} ({signer.name})" if signer else "by nobody who is trusted here"
        typer.echo(f"{files} files, {who}")


def _tell(move: Move, *, as_json: bool) -> None:
    if as_json:
        print_json(msgspec.to_builtins(move))
    else:
        typer.echo(f"{move.model}@{move.alias} -> {move.version}")
