"""The command: finds or starts the server, opens the files, runs the job, prints what came of it."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from pumice.cli.batch.answers import Asked, wanted_outputs
from pumice.cli.batch.journal import Job, Journal, State
from pumice.cli.batch.parquet import ParquetWriter, schema_of
from pumice.cli.batch.run import Pace, Run
from pumice.cli.batch.telling import telling
from pumice.cli.batch.text_files import TextWriter, csv_encoder, csv_line, json_line
from pumice.cli.batch.writing import ERROR, Writer
from pumice.cli.output import print_json
from pumice.cli.own_server import OwnServer
from pumice.cli.servers import UrlOption, connect, default_url, split_ref
from pumice.client import Client
from pumice.config import load_settings
from pumice.domain.errors import BadSetting
from pumice.tables.reading import open_table
from pumice.tables.rows import Reader, format_of

Format = Literal["auto", "jsonl", "csv", "parquet"]


def batch(  # noqa: PLR0913, PLR0917 - a command's options are its parameters
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME|SOURCE",
            help="A model of a running server, or a path or module:Class that is served for the job.",
        ),
    ],
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="JSONL, CSV or Parquet, with columns named as the model's inputs.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="JSONL, CSV or Parquet: a row of results a row.")],
    url: UrlOption = None,
    form: Annotated[Format, typer.Option("--format", help="Format of both files. [by suffix]")] = "auto",
    columns: Annotated[
        str | None, typer.Option(metavar="A,B,…", help="Columns of IN to carry through; *: all. [none]")
    ] = None,
    prefix: Annotated[str, typer.Option(help="Put this before the names of the outputs.")] = "",
    batch_rows: Annotated[int, typer.Option(min=1, help="Rows of a request.")] = 128,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests at once.")] = 4,
    timeout: Annotated[float, typer.Option(min=0.001, metavar="SECONDS", help="Longest wait for a request.")] = 120.0,
    allow_errors: Annotated[bool, typer.Option("--allow-errors", help="Exit with 0 even if rows have failed.")] = False,
    restart: Annotated[bool, typer.Option("--restart", help="Begin anew, and overwrite OUT.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Run a model over a file.

    A run that was cut off is gone on with by the same command.
    """
    started = time.monotonic()
    journal = Journal(out.with_name(f"{out.name}.journal"))
    _check_out(out, journal, restart=restart)
    in_form, out_form = format_of(source, form), format_of(out, form)
    with (
        contextlib.closing(open_table(source, in_form, "IN")) as reader,
        _server(name, url) as (at, model, version),
        connect(at, timeout) as client,
    ):
        served = model or client.models()[0].name
        asked = _asked(client, (served, version), reader, _carried(columns, reader), prefix)
        about = source.stat()
        job = Job(
            source=str(source.absolute()),
            size=about.st_size,
            changed=about.st_mtime_ns,
            model=name,
            columns=tuple(asked.carried),
            form=out_form,
            prefix=prefix,
        )
        begun = journal.load(job)
        with telling(reader, begun) as tell:
            run = Run(asked.results, _writer(out, out_form, asked, reader, begun), journal, begun, tell)
            ended = run.all(reader.rows(begun.rows), Pace(batch_rows, concurrency))
    _report(out, begun, ended, time.monotonic() - started, as_json=json)
    if ended.failed and not allow_errors:
        raise typer.Exit(1)


def _check_out(out: Path, journal: Journal, *, restart: bool) -> None:
    if restart:
        journal.remove()
    elif out.exists():
        raise BadSetting("OUT", f"'{out}', which is there already", "a new file, or --restart to overwrite it")
    if not out.absolute().parent.is_dir():
        raise BadSetting("OUT", f"'{out}'", "a file in a folder that is there")


def _writer(out: Path, form: str, asked: Asked, reader: Reader, begun: State) -> Writer:
    named = {asked.prefix + tensor.name: tensor for tensor in asked.outputs}
    if form == "parquet":
        schema = getattr(reader, "schema", None)
        return ParquetWriter(out, begun.place, schema_of(asked.carried, named, schema))
    if form == "jsonl":
        return TextWriter(out, begun.place, json_line)
    header = [*asked.carried, *named, ERROR]
    return TextWriter(out, begun.place, csv_encoder(header), csv_line(header))


def _carried(columns: str | None, reader: Reader) -> list[str]:
    if columns is None:
        return []
    wanted = list(reader.columns) if columns == "*" else [name.strip() for name in columns.split(",")]
    missing = [name for name in wanted if name not in reader.columns]
    if missing:
        raise BadSetting("--columns", f"'{missing[0]}'", f"columns of IN: {', '.join(reader.columns)}")
    return wanted


def _asked(client: Client, model: tuple[str, str], reader: Reader, carried: list[str], prefix: str) -> Asked:
    known = client.metadata(model[0], version=model[1])
    missing = [tensor.name for tensor in known.inputs if tensor.name not in reader.columns and not tensor.optional]
    if missing and reader.total:
        raise BadSetting("IN", f"the columns {', '.join(reader.columns) or 'none'}", f"a column '{missing[0]}'")
    outputs = wanted_outputs(known.outputs)
    twice = {prefix + tensor.name for tensor in outputs} & set(carried)
    if twice or ERROR in carried:
        name = next(iter(twice), ERROR)
        raise BadSetting("--columns", f"'{name}', which is a column of the results too", "others, or another --prefix")
    inputs = [tensor for tensor in known.inputs if tensor.name in reader.columns or not tensor.optional]
    return Asked(client, *model, inputs, outputs, carried, prefix)


@contextlib.contextmanager
def _server(name: str, url: str | None) -> Iterator[tuple[str, str, str]]:
    """The address of the server, the model and its version; the model is empty where there is one only."""
    if url is not None or not (":" in name or "=" in name or Path(name).exists()):
        yield url or default_url(), *split_ref(name)
        return
    # so that the server is stopped with us
    previous = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        listen = ("--host", "127.0.0.1", "--grpc-port", "-1")
        with OwnServer(name, *listen, name=name, start_limit=load_settings({}).load_timeout) as server:
            yield server.at.url, "", ""
    finally:
        signal.signal(signal.SIGTERM, previous)


def _report(out: Path, begun: State, ended: State, seconds: float, *, as_json: bool) -> None:
    rows = ended.rows - begun.rows
    told: dict[str, Any] = {
        "out": str(out),
        "rows": ended.rows,
        "failed": ended.failed,
        "resumed_at": begun.rows,
        "seconds": round(seconds, 3),
        "rows_per_second": round(rows / seconds, 1),
    }
    if as_json:
        print_json(told)
        return
    since = f" ({rows:,} of them in this run)" if begun.rows else ""
    sys.stdout.write(
        f"{out}: {ended.rows:,} rows{since}, {ended.failed:,} failed; "
        f"{seconds:.1f} s from start to end, {told['rows_per_second']:,} rows/s\n"
    )
