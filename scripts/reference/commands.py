"""The page of all commands and their options, from the functions behind them."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from typer.models import ArgumentInfo, OptionInfo, ParameterInfo

from pumice.cli.main import COMMANDS
from scripts.reference.markdown import code, table

LEAD = """\
What a command works on is the embedded home (`PUMICE_HOME`), or a running server with `--url`.
`pumice --debug COMMAND` shows where an error came from.

| exit code | what it means |
|---|---|
| 0 | done |
| 1 | it failed |
| 2 | the command line or a file is wrong |
| 3 | a gate said no |
"""


@dataclass(frozen=True)
class Parameter:
    """An argument or an option.

    Attributes:
        names: As they are written; an argument has one.
        values: What may be given; empty for a flag.
        default: What holds if it is left out; empty where nothing does, or where the help tells it.
        text: What it does.
        is_option: Whether it is an option.
    """

    names: list[str]
    values: str
    default: str
    text: str
    is_option: bool


def page() -> str:
    """Write the page."""
    parts = ["# Commands\n", LEAD]
    for name, function in commands():
        told = list(parameters(function))
        parts += [f"## {name}\n", (inspect.getdoc(function) or "").split("\n\nArgs:")[0] + "\n"]
        for kind, wanted in (("argument", False), ("option", True)):
            rows = [_row(parameter) for parameter in told if parameter.is_option is wanted]
            if rows:
                parts.append(table((kind, "values", "default", "what it does"), rows))
    return "\n".join(parts)


def commands() -> Iterator[tuple[str, Callable[..., object]]]:
    """Import the functions behind all commands, by the commands' full names, as in ``pumice serve``."""
    for name, target in COMMANDS.items():
        module, _, function = target.function.partition(":")
        yield f"pumice {name}", getattr(import_module(module), function)


def parameters(function: Callable[..., object]) -> Iterator[Parameter]:
    """Read the arguments and options of a command from its signature."""
    hints = typing.get_type_hints(function, include_extras=True)
    for name, parameter in inspect.signature(function).parameters.items():
        kind, info = _declared(hints[name])
        is_option = isinstance(info, OptionInfo)
        flag = f"--{name.replace('_', '-')}"
        # inside Annotated, typer counts what stands first as a name too
        written = [word for word in (info.default, *(info.param_decls or ())) if isinstance(word, str)]
        given = [part for word in written for part in word.split("/")]
        default = parameter.default
        yield Parameter(
            names=(given or [flag]) if is_option else [info.metavar or name.upper()],
            values="" if kind is bool else _values(kind, info),
            default="" if default in (None, False, inspect.Parameter.empty) else code(str(default)),
            text=" ".join((info.help or "").split()),
            is_option=is_option,
        )


def _declared(hint: Any) -> tuple[Any, ParameterInfo]:
    """Take apart ``Annotated[type, typer.Option(…)]``; an optional type counts as the type."""
    kind, *extras = typing.get_args(hint)
    info = next(extra for extra in extras if isinstance(extra, ArgumentInfo | OptionInfo))
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        kind = next(part for part in typing.get_args(kind) if part is not type(None))
    return kind, info


def _values(kind: Any, info: ParameterInfo) -> str:
    if typing.get_origin(kind) is typing.Literal:
        return ", ".join(code(str(value)) for value in typing.get_args(kind))
    if isinstance(info, OptionInfo) and info.metavar:
        return info.metavar
    words = {"int": "whole number", "float": "number", "str": "text", "Path": "path"}
    return words.get(getattr(kind, "__name__", ""), "texts")


def _row(parameter: Parameter) -> tuple[str, str, str, str]:
    return ", ".join(map(code, parameter.names)), parameter.values, parameter.default, parameter.text
