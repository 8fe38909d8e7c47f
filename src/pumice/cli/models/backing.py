"""``pumice models backup``, ``restore`` and ``repair``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from pumice.cli.errors import ExitCode
from pumice.cli.models.common import JsonOption, changing, size_text, telling, time_text, writing_down
from pumice.cli.output import print_json
from pumice.config import load_settings
from pumice.domain.store.told import BackedUp, Restored
from pumice.domain.trust.policy import short
from pumice.service.store.backing import check_backup

FolderArgument = Annotated[Path, typer.Argument(metavar="DIR", help="The folder of backups.")]


def backup(
    folder: FolderArgument,
    secrets: Annotated[
        bool,
        typer.Option(
            "--with-secrets",
            help="Take along the home's private signing key and its secret for webhooks. Keys that seal never are.",
        ),
    ] = False,
    keep: Annotated[int, typer.Option("--keep", metavar="N", help="States that stay in the folder.", min=1)] = 7,
    reread: Annotated[
        bool, typer.Option("--reread", help="Read the packs there too, and copy anew those that have changed.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Back up nothing: verify what is in the folder; exit code 3 if not right.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Back up the store and its home into a folder, while all goes on; packs that are there are not copied again."""
    if check:
        _check(folder, as_json=json)
        return
    with telling("backing up") as tell:
        done = changing(
            "models backup",
            {"folder": str(folder), "secrets": str(secrets).lower()},
            lambda store: store.upkeep.backups.make(folder, tell, secrets=secrets, keep=keep, reread=reread),
        )
    if json:
        print_json(msgspec.to_builtins(done))
    else:
        _tell_backup(done)


def restore(
    folder: FolderArgument,
    state: Annotated[str, typer.Option("--state", metavar="NAME", help="Which state. [the newest]")] = "",
    key: Annotated[
        str, typer.Option("--key", metavar="ID", help="Beginning of the id of the key that must have signed it.")
    ] = "",
    json: JsonOption = False,
) -> None:
    """Restore a backup into an empty home, its database and its object store; each byte is verified."""
    from pumice.service.store.restoring import Restore

    settings = load_settings({})
    task = Restore(settings, folder, state, key)
    target = {"folder": str(folder), "state": task.state.name}
    with telling("restoring") as tell, writing_down("models restore", target):
        done = task.run(tell)
    if json:
        print_json(msgspec.to_builtins(done))
    else:
        _tell_restore(done)
    if done.problems:
        raise typer.Exit(ExitCode.GATE)


def repair(
    source: Annotated[
        Path | None, typer.Option("--from", metavar="DIR", help="A folder of backups that has what is damaged.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Mend what has changed, from a backup: every pack is read; exit code 3 if something could not be mended."""
    with telling("reading") as tell:
        done = changing(
            "models repair", {"from": str(source or "")}, lambda store: store.upkeep.repair(source, progress=tell)
        )
    if json:
        print_json(msgspec.to_builtins(done))
    else:
        for line in done.left:
            typer.echo(line, err=True)
        typer.echo(f"{done.packs} packs had changed, {done.mended} mended, with {done.chunks} chunks from elsewhere")
    if done.left:
        raise typer.Exit(ExitCode.GATE)


def _check(folder: Path, *, as_json: bool) -> None:
    with telling("verifying") as tell:
        found = check_backup(folder, tell)
    if as_json:
        print_json(msgspec.to_builtins(found))
    else:
        for problem in found.problems:
            typer.echo(problem, err=True)
        for name in found.states:
            typer.echo(name)
        state = f"{len(found.problems)} problems" if found.problems else "unchanged"
        keys = ", ".join(map(short, found.keys))
        typer.echo(f"{len(found.states)} states, {found.packs} packs, {size_text(found.bytes)}, by {keys}: {state}")
    if found.problems:
        raise typer.Exit(ExitCode.GATE)


def _tell_backup(done: BackedUp) -> None:
    new = f"{size_text(done.copied)} of {size_text(done.bytes)} were new"
    typer.echo(f"{done.state}: {done.versions} versions, {new}; {done.states} states in the folder")
    typer.echo(f"signed by key {done.key}", err=True)
    if done.secrets:
        typer.echo(
            "the home's private key and its secret for webhooks are in it: keep it as safe as the home", err=True
        )
    else:
        typer.echo("the home's private signing key is not in it; --with-secrets takes it along", err=True)
    _tell_seals(done.seal_keys)


def _tell_restore(done: Restored) -> None:
    what = f"{done.versions} versions, {size_text(done.bytes)}"
    typer.echo(f"{done.state}, taken {time_text(done.created)}: {what}, every byte verified")
    if done.own:
        typer.echo(f"signed by key {done.key}, with which this home signs", err=True)
    else:
        typer.echo(f"signed by key {done.key}, which this home trusts now; it signs with its own", err=True)
    _tell_seals(done.seal_keys)
    for problem in done.problems:
        typer.echo(problem, err=True)


def _tell_seals(keys: list[str]) -> None:
    if keys:
        typer.echo(f"not in it, and needed for its sealed versions: {', '.join(keys)} (seal_key)", err=True)
