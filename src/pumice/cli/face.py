"""The face of the command line: its help, its options, and commands that are imported when they are called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from pumice.__about__ import __version__
from pumice.cli.target import Target


def run(words: Sequence[str], commands: Mapping[str, Target], groups: Mapping[str, str]) -> None:
    """Run a command line and exit.

    Args:
        words: What follows ``pumice``.
        commands: The commands by name, in the order in which the help lists them; two words: group and command.
        groups: What the groups are about.

    Raises:
        SystemExit: Always, with the exit code, but for the errors of the command itself.
    """
    app = typer.Typer(
        no_args_is_help=True, rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]}
    )
    app.callback()(_pumice)
    group = typer.main.get_command(app)
    if not isinstance(group, TyperGroup):
        msg = "an app without a callback takes no commands"
        raise TypeError(msg)
    for full_name, target in commands.items():
        first, _, second = full_name.partition(" ")
        if not second:
            group.add_command(_Lazy(first, target))
            continue
        if first not in group.commands:
            group.add_command(TyperGroup(name=first, help=groups[first], no_args_is_help=True))
        inner = group.commands[first]
        assert isinstance(inner, TyperGroup)  # noqa: S101 - a name is a command or a group
        inner.add_command(_Lazy(second, target))
    group.main(words, prog_name="pumice")


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


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pumice {__version__}")
        raise typer.Exit


def _pumice(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Take a trained model, make it light, prove that it is still right, and serve it."""
    del debug, version  # the one is looked for where errors are shown, the other acts in its callback
