"""``pumice predict``: one question to a running server."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
import typer

from pumice.cli.inputs import Given, read_input
from pumice.cli.output import console, excerpt, print_json
from pumice.cli.servers import ApiKeyOption, UrlOption, connect, split_ref
from pumice.client import Answer, Client
from pumice.client.predictions import typed
from pumice.domain.datatypes import datatype_of


def predict(
    name: Annotated[str, typer.Argument(metavar="NAME[@VERSION]", help="Name of the model.")],
    text: Annotated[
        str,
        typer.Argument(
            metavar="INPUT",
            help="A text, - for standard input, or a file: .json (OIP or KServe), .npz, .npy, .txt, or an image.",
        ),
    ],
    url: UrlOption = None,
    timeout: Annotated[float, typer.Option(metavar="SECONDS", help="Longest wait.")] = 60.0,
    api_key: ApiKeyOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Ask a model of a running server."""
    model, version = split_ref(name)
    given = read_input(text, sys.stdin.buffer)
    with connect(url, timeout, api_key) as client:
        if given.tensors:
            answer = client.infer_raw(model, _arrays(client, model, version, given), version=version)
            _print_outputs(answer, as_json=json)
        else:
            results = client.predict(model, given.items, version=version)
            _print_results(given.items, results, as_json=json)


def _arrays(client: Client, model: str, version: str, given: Given) -> Mapping[str, Any]:
    """Give lists of numbers the types that the model takes."""
    if all(isinstance(value, np.ndarray) for value in given.tensors.values()):
        return given.tensors
    known = {tensor.name: tensor for tensor in client.metadata(model, version=version).inputs}
    return {name: typed(model, known[name], value) if name in known else value for name, value in given.tensors.items()}


def _print_outputs(answer: Answer, *, as_json: bool) -> None:
    described = [
        {"name": name, "datatype": datatype_of(array), "shape": list(array.shape), "data": array.ravel()}
        for name, array in answer.outputs.items()
    ]
    if as_json:
        print_json({"model": answer.model, "version": answer.version, "outputs": described})
        return
    _print_table(("output", "datatype", "shape", "data"), [list(row.values()) for row in described])


def _print_results(items: list[Any], results: list[Any], *, as_json: bool) -> None:
    if as_json:
        print_json({"predictions": results})
        return
    rows = [result if isinstance(result, dict) else {"output": result} for result in results]
    columns = list(rows[0]) if rows else []
    table = [[_shown(item), *row.values()] for item, row in zip(items, rows, strict=True)]
    _print_table(("input", *columns), table)


def _shown(item: object) -> object:
    return f"{len(item)} bytes" if isinstance(item, bytes) else item


def _print_table(columns: tuple[str, ...], rows: list[list[Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns)
    for row in rows:
        table.add_row(*(Text(excerpt(value)) for value in row))
    console().print(table)
