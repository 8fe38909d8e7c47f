"""Commands whose modules are imported when they are called, so that each starts as fast as its own imports allow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup


@dataclass(frozen=True, slots=True)
class Target:
    """Where a command is and what it does.

    Attributes:
        function: ``module:function``; its parameters are the command's arguments and options.
        summary: How its docstring begins.
    """

    function: str
    summary: str


def group_of(app: typer.Typer, targets: Mapping[str, Target]) -> TyperGroup:
    """Add commands to an app without importing them.

    Args:
        app: The app, with a callback of its own.
        targets: The commands by name, in the order in which the help lists them.
    """
    group = typer.main.get_command(app)
    if not isinstance(group, TyperGroup):
        msg = "an app without a callback takes no commands"
        raise TypeError(msg)
    for name, target in targets.items():
        group.add_command(_Lazy(name, target))
    return group


def load(name: str, target: Target) -> TyperCommand:
    """Import a command."""
    module, _, function = target.function.partition(":")
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(name)(getattr(import_module(module), function))
    command = typer.main.get_command(app)
    if not isinstance(command, TyperCommand):
        msg = f"{target.function} is no command"
        raise TypeError(msg)
    return command


class _Lazy(TyperCommand):
    """Shows its summary; everything else is asked of the real command, which takes its place in the context."""

    def __init__(self, name: str, target: Target) -> None:
        super().__init__(name, help=target.summary)
        self._target = target

    def make_context(self, *args: Any, **extra: Any) -> Any:
        return load(self.name or "", self._target).make_context(*args, **extra)
