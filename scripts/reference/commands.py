"""The page of all commands and their options, from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer.main

from pumice.cli.main import app
from scripts.reference.markdown import code, table

LEAD = """\
A command works on the embedded home (`PUMICE_HOME`), or on a running server with `--url`.

| exit code | what it means |
|---|---|
| 0 | done |
| 1 | it failed |
| 2 | the command line or a file is wrong |
| 3 | a gate said no |
"""


def page() -> str:
    """Write the page."""
    parts = ["# Commands\n", LEAD]
    for name, command in commands():
        parts += [f"## {name}\n", f"{_sentences(command.help)}\n"]
        for kind, head in (("argument", "argument"), ("option", "option")):
            rows = [_row(parameter) for parameter in command.params if parameter.param_type_name == kind]
            if rows:
                parts.append(table((head, "values", "what it does"), [row for row in rows if row]))
    return "\n".join(parts)


def commands() -> Iterator[tuple[str, Any]]:
    """List all commands by their full names, as in ``pumice serve``; what is hidden is left out."""
    yield from _below("pumice", typer.main.get_command(app))


def _below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    if not hasattr(command, "list_commands"):
        yield name, command
        return
    context = command.context_class(command, info_name=name)
    for child in command.list_commands(context):
        found = command.get_command(context, child)
        if not found.hidden:
            yield from _below(f"{name} {child}", found)


def _row(parameter: Any) -> tuple[str, str, str]:
    if parameter.param_type_name == "argument":
        name = code(parameter.human_readable_name)
    else:
        name = ", ".join(code(option) for option in [*parameter.opts, *parameter.secondary_opts])
    flag = getattr(parameter, "is_flag", False)
    return name, "" if flag else _kind(parameter), _sentences(getattr(parameter, "help", None))


def _kind(parameter: Any) -> str:
    choices = getattr(parameter.type, "choices", None)
    if choices:
        return ", ".join(code(str(getattr(choice, "value", choice))) for choice in choices)
    words = {"integer": "whole number", "float": "number", "str": "text", "boolean": "true, false"}
    return words.get(parameter.type.name, parameter.type.name)


def _sentences(text: str | None) -> str:
    return " ".join((text or "").split("\f")[0].split())
