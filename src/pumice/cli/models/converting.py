"""``pumice models convert``."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from pumice.cli.models.common import JsonOption, changing, size_text, telling
from pumice.cli.output import print_json
from pumice.domain.store.records import VersionRecord
from pumice.service.conversion import Conversion, ConvertWish
from pumice.service.conversion import convert as run
from pumice.service.store.types import PushWish

_MIB = 1 << 20


def convert(  # noqa: PLR0913, PLR0917 - a command's options are its parameters
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A model's file, or a Hugging Face folder.")],
    out: Annotated[
        Path | None,
        typer.Argument(
            metavar="[OUT]",
            help="The result, or a folder for it; its ending says which form (.safetensors, .skops, .onnx, .npz)."
            " [beside FILE]",
        ),
    ] = None,
    push: Annotated[
        str | None,
        typer.Option("--push", metavar="NAME", help="Store it as the next version of NAME; without OUT, only there."),
    ] = None,
    run_code: Annotated[
        bool, typer.Option("--run-code", help="Let the file's own code run, in the sandbox. Trust its author first.")
    ] = False,
    unconfined: Annotated[
        bool,
        typer.Option("--unconfined", help="Do it without the sandbox: the file's code could then do whatever you can."),
    ] = False,
    timeout: Annotated[float, typer.Option(metavar="SECONDS", help="Longest time (s).", min=1)] = 600,
    memory: Annotated[int, typer.Option(metavar="MIB", help="Most memory (MiB).", min=256)] = 4096,
    json: JsonOption = False,
) -> None:
    """Convert a file that may run code when it is read into one that does not, in a process that can do no harm."""
    wish = ConvertWish(run_code=run_code, unconfined=unconfined, seconds=timeout, memory=memory * _MIB)
    with _place(out, push) as place:
        with telling("converting") as tell:
            found = run(file, place, wish, tell)
        record = _push(found, push) if push else None
    kept = out is not None or push is None
    if json:
        told = msgspec.to_builtins(found) | ({} if kept else {"out": None})
        print_json(told | {"version": msgspec.to_builtins(record)})
        return
    typer.echo(f"{record.model}@{record.version}" if record else found.out)
    typer.echo(f"{found.kind}: {size_text(found.size)} in {len(found.files)} files; {found.checked}", err=True)
    for note in found.notes:
        typer.echo(f"note: {note}", err=True)
    typer.echo(f"enforced: {'; '.join(found.enforced) or 'nothing but limits of time and memory'}", err=True)


@contextlib.contextmanager
def _place(out: Path | None, push: str | None) -> Iterator[Path | None]:
    if out is not None or push is None:
        yield out
        return
    with tempfile.TemporaryDirectory(prefix="pumice-converted-") as folder:
        yield Path(folder)


def _push(found: Conversion, name: str) -> VersionRecord:
    wish = PushWish(recipe=found.recipe, reason=f"converted from {found.source}")
    return changing(
        "models push", {"source": found.out, "model": name}, lambda store: store.push(found.out, name, wish)
    )
