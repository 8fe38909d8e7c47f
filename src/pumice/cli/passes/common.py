"""What the commands of the passes share: the model that SOURCE names, options, progress, and what they tell."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
import yaml

from pumice.cli.models.common import now_and_then, size_text
from pumice.cli.output import print_json
from pumice.domain.errors import BadSetting
from pumice.optimize.passes.base import ModelFolder, Tell
from pumice.optimize.recipes import Built

SourceArgument = Annotated[
    str, typer.Argument(metavar="SOURCE", help="A model's file or folder, or NAME[@VERSION] of the store.")
]
OutputOption = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="DIR", help="Folder of the result; it must not be there yet.")
]
OptionsOption = Annotated[
    list[str] | None,
    typer.Option("--option", "-O", metavar="KEY=VALUE", help="An option of the pass; may be given several times."),
]
SeedOption = Annotated[int, typer.Option("--seed", help="Of whatever is drawn.")]


@contextlib.contextmanager
def opened(source: str) -> Iterator[ModelFolder]:
    """Find the model that SOURCE names; a version of the store is pulled into a folder of its own.

    Raises:
        SetupError: There is no such model, or it cannot be used.
    """
    if "/" in source or Path(source).suffix or Path(source).exists():
        yield ModelFolder.find(source)
        return
    from pumice.service.store import Store

    with tempfile.TemporaryDirectory(prefix="pumice-stored-") as place:
        with Store() as store:
            store.pull(source, Path(place) / "model")
        yield ModelFolder.find(str(Path(place) / "model"))


def read_pairs(pairs: Sequence[str] | None) -> dict[str, Any]:
    """Read ``KEY=VALUE``; values are those of YAML.

    Raises:
        BadSetting: It has another form.
    """
    options: dict[str, Any] = {}
    for pair in pairs or ():
        key, equals, value = pair.partition("=")
        try:
            options[key.strip()] = yaml.safe_load(value)
        except yaml.YAMLError:
            equals = ""
        if not equals:
            raise BadSetting("--option", repr(pair), "KEY=VALUE, such as per_channel=false or nodes_left_out=[a, b]")
    return options


def place_for(output: Path | None, source: str, ending: str) -> Path:
    """The folder of the result: what the user says, or one in the working directory that is called after the source."""
    if output is not None:
        return output.expanduser().absolute()
    path = Path(source)
    stem = path.parent.name if path.name in ("model.onnx", "model.pt2") and path.parent.name else path.stem
    return Path.cwd() / f"{stem.partition('@')[0] or 'model'}-{ending}"


def tell(built: Built, base: ModelFolder, source: str, *, json: bool) -> None:
    """Say what was made, and that nothing was measured."""
    size, before = built.folder.size_bytes, base.size_bytes
    if json:
        told = {
            "folder": str(built.folder.path),
            "format": built.folder.manifest.format,
            "size_bytes": size,
            "base_bytes": before,
            "recipe": built.recipe.told,
            "sensitivity": msgspec.to_builtins(built.sensitivity),
            "measured": False,
        }
        print_json(told)
        return
    typer.echo(str(built.folder.path))
    typer.echo(f"{size_text(size)}, {size / before:.2f} of the {size_text(before)} before", err=True)
    for damage in (damage for damage in built.sensitivity if damage.kept):
        typer.echo(f"left out: {damage.node} ({damage.op}), alone off by {damage.damage:.2g}", err=True)
    if base.manifest.format == "transformers":  # nothing here runs the original, but the export has asked it
        typer.echo("its answers were held against the original's; nothing else was measured", err=True)
        return
    proof = f"pumice certify {built.folder.path} --against {source} --data FILE --max-drop 0.01"
    typer.echo(f"nothing was measured: `{proof}` proves its quality,", err=True)
    typer.echo("`pumice optimize` finds a variant that is proven right and proven faster", err=True)


@contextlib.contextmanager
def progress(what: str) -> Iterator[Tell]:
    """Tell on standard error how far a pass is: a bar on a terminal, a line now and then elsewhere."""
    lines = now_and_then(lambda done, total: f"{what}: {done}{f' of {total}' if total else ''}")
    with _bar(what) if sys.stderr.isatty() else contextlib.nullcontext(lines) as told:
        yield told


@contextlib.contextmanager
def _bar(what: str) -> Iterator[Tell]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task("", total=None)
        yield lambda done, total: bars.update(bar, completed=done, total=total or None)
