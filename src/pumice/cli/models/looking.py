"""``pumice models list``, ``show``, ``diff`` and ``lineage``: they change nothing."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
import typer

from pumice.cli.models.common import JsonOption, Kept, RefArgument, UrlOption, Where, size_text, time_text, unsealing
from pumice.cli.output import console, excerpt, print_json
from pumice.cli.servers import ApiKeyOption
from pumice.domain.errors import BadSetting, NotFound
from pumice.domain.evidence.certificate import CERTIFICATE
from pumice.domain.store.names import parse_ref
from pumice.domain.store.records import Move, VersionRecord
from pumice.domain.store.told import Answered, CertificateLine, Lineage, Shown, SignatureLine
from pumice.domain.trust.policy import short
from pumice.domain.trust.statements import FILES, PROVENANCE

UnsealOption = Annotated[bool, typer.Option("--unseal", help="Tell also what is sealed: labels, recipe and so on.")]


def every(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A model, to list its versions. [every model]")
    ] = None,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
    json: JsonOption = False,
) -> None:
    """List the models, or the versions of one."""
    with Where(url, api_key).looking() as store:
        if name is not None:
            _show_versions(store.versions(name), as_json=json)
            return
        models = store.models()
    if json:
        print_json({"models": msgspec.to_builtins(models)})
        return
    from rich.table import Table

    table = Table("model", "versions", "newest", "pushed", "size", "format", "aliases")
    for model in models:
        aliases = ", ".join(f"{alias} -> {version}" for alias, version in model.aliases.items())
        about = (str(model.versions), str(model.newest), time_text(model.changed), size_text(model.size), model.format)
        table.add_row(model.model, *about, aliases)
    console().print(table)


def show(  # noqa: PLR0913, PLR0917 - a command's options are its parameters
    ref: Annotated[str | None, typer.Argument(metavar="[REF]", help="NAME, NAME@VERSION or NAME@ALIAS.")] = None,
    at: Annotated[
        str | None,
        typer.Option(
            "--at",
            metavar="TIME",
            help="What NAME@ALIAS meant then: like 2026-03-01T10:00, in local time unless it says.",
        ),
    ] = None,
    request_id: Annotated[
        str | None, typer.Option("--request-id", metavar="ID", help="Which version answered this request, if logged.")
    ] = None,
    unseal: UnsealOption = False,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
    json: JsonOption = False,
) -> None:
    """Tell all that is known of a version, what an alias meant at a time, or which version answered a request."""
    where = Where(url, api_key)
    if request_id is not None:
        _show_answers(where.answered(request_id), as_json=json)
        return
    if ref is None:
        raise BadSetting("REF", "nothing", "NAME, NAME@VERSION or NAME@ALIAS; or --request-id ID")
    with where.looking() as store:
        if at is not None:
            _show_then(store, ref, _moment(at), as_json=json)
            return
        if unseal:
            with unsealing(url) as own:
                shown = own.show(ref, unseal=True)
        else:
            shown = store.show(ref)
    if json:
        print_json(msgspec.to_builtins(shown))
        return
    _print_pairs(_pairs(shown))


def diff(
    first: Annotated[str, typer.Argument(metavar="REF", help="The one before.")],
    second: Annotated[str, typer.Argument(metavar="REF", help="The one after.")],
    unseal: UnsealOption = False,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
    json: JsonOption = False,
) -> None:
    """Tell what changed from one version to another."""
    if unseal:
        with unsealing(url) as own:
            found = own.diff(first, second, unseal=True)
    else:
        with Where(url, api_key).looking() as store:
            found = store.diff(first, second)
    if json:
        print_json(msgspec.to_builtins(found))
        return
    if found.same:
        typer.echo("nothing differs")
        return
    from rich.table import Table

    table = Table("what", "before", "after")
    for path in found.removed:
        table.add_row(f"file {path}", "there", "")
    for path in found.added:
        table.add_row(f"file {path}", "", "there")
    for path, change in found.changed.items():
        table.add_row(f"file {path}", size_text(change.before), f"{size_text(change.after)}, other bytes")
    for key, change in (found.spec | found.origin).items():
        table.add_row(key, _cell(change.before), _cell(change.after))
    console().print(table)


def lineage(ref: RefArgument, url: UrlOption = None, api_key: ApiKeyOption = None, json: JsonOption = False) -> None:
    """Tell where a version comes from, and what was made from it."""
    with Where(url, api_key).looking() as store:
        found = store.lineage(ref)
    if json:
        print_json(msgspec.to_builtins(found))
        return
    _print_lineage(found, "")
    for child in found.children:
        typer.echo(f"made from it: {child}")


def _show_answers(answers: list[Answered], *, as_json: bool) -> None:
    if as_json:
        print_json({"answers": msgspec.to_builtins(answers)})
        return
    for answer in answers:
        stored = f", which is {answer.ref}, digest {answer.digest}" if answer.ref else f" from {answer.source}"
        typer.echo(f"{time_text(answer.at)}: {answer.name} version {answer.version}{stored}")


def _show_versions(records: list[VersionRecord], *, as_json: bool) -> None:
    if as_json:
        print_json({"versions": msgspec.to_builtins(records)})
        return
    from rich.table import Table

    table = Table("version", "pushed", "by", "size", "new bytes", "format", "digest")
    for record in records:
        sizes = (size_text(record.size), size_text(record.stored))
        table.add_row(
            str(record.version), time_text(record.created), record.made_by, *sizes, record.format, record.digest[:12]
        )
    console().print(table)


def _show_then(store: Kept, ref: str, moment: float, *, as_json: bool) -> None:
    if not parse_ref(ref).alias:
        raise BadSetting("REF", repr(ref), "NAME@ALIAS together with --at")
    move = store.at(ref, moment)
    record = _still_there(store, move)
    if as_json:
        print_json({"move": msgspec.to_builtins(move), "record": msgspec.to_builtins(record)})
        return
    since = f"since {time_text(move.at)}, by {move.moved_by}" + (f": {move.reason}" if move.reason else "")
    typer.echo(f"{ref} was version {move.version} ({since})")
    if record is None:
        typer.echo("that version was deleted since")


def _still_there(store: Kept, move: Move) -> VersionRecord | None:
    try:
        return store.show(f"{move.model}@{move.version}").record
    except NotFound:
        return None


def _moment(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        raise BadSetting("--at", repr(text), "a time such as 2026-03-01T10:00 or 2026-03-01T10:00:00+01:00") from None


def _pairs(shown: Shown) -> list[tuple[str, str]]:
    record, manifest = shown.record, shown.manifest
    spec = msgspec.to_builtins(manifest.spec)
    spec.pop("signature", None)
    parents = ", ".join(f"{parent.model}@{parent.version}" for parent in manifest.parents)
    return [
        ("version", f"{record.model}@{record.version}"),
        ("aliases", ", ".join(shown.aliases)),
        ("digest", record.digest),
        ("sealed with", shown.sealed),
        ("pushed", f"{time_text(record.created)} by {record.made_by}"),
        ("size", f"{size_text(record.size)}, {size_text(record.stored)} of it new"),
        *((key, _cell(value)) for key, value in spec.items()),
        *manifest.tensors.items(),
        ("made from", parents),
        *(("served", f"as {at.name} by {at.place}, since {time_text(at.since)}") for at in shown.served),
        ("made into", ", ".join(shown.children)),
        *((f"file {file.path}", size_text(file.size)) for file in manifest.files),
        *(("certificate", _certified(line)) for line in shown.certificates),
        *(("signed", _signed(line)) for line in shown.signed),
        *((time_text(move.at), _told(move)) for move in shown.history),
    ]


def _certified(line: CertificateLine) -> str:
    if line.problem:
        return f"counts for nothing: {line.problem}"
    low, high = line.interval
    what = "drop" if line.labelled else "disagreement"
    seen = f"{line.n:,} {'labelled ' if line.labelled else ''}examples"
    return (
        f"{line.verdict}: loses less than {line.max_drop:.2%} of {line.metric} against {line.base} "
        f"({what} {low:+.2%} to {high:+.2%}, {seen}, confidence {line.confidence:.0%}), "
        f"by {short(line.key)} ({line.name}), {time_text(line.created)}"
    )


def _signed(line: SignatureLine) -> str:
    what = {FILES: "the files", PROVENANCE: "the version", CERTIFICATE: "the certificate"}.get(line.form, line.form)
    who = f"by {short(line.key)} ({line.name})" if line.key else "by an unknown key"
    return f"{what} {who}, {time_text(line.created)}" + (f": {line.problem}" if line.problem else "")


def _told(move: Move) -> str:
    what = f"{move.alias} -> {move.version} ({move.kind})" if move.alias else f"{move.kind} {move.version}"
    return f"{what} by {move.moved_by}" + (f": {move.reason}" if move.reason else "")


def _cell(value: object) -> str:
    return "" if value is None else excerpt(value)


def _print_pairs(pairs: list[tuple[str, str]]) -> None:
    from rich.table import Table

    table = Table(show_header=False)
    table.add_column()
    table.add_column(overflow="fold")
    for name, value in pairs:
        if value:
            table.add_row(name, value)
    console().print(table)


def _print_lineage(found: Lineage, indent: str) -> None:
    recipe = f"  {excerpt(found.recipe)}" if found.recipe else ""
    typer.echo(f"{indent}{found.ref}  {found.digest[:12]}{recipe}")
    for parent in found.parents:
        _print_lineage(parent, f"{indent}  ")
