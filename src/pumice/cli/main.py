"""``pumice``: finds the command, runs it, turns what goes wrong into a line and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated

import typer

from pumice.__about__ import __version__
from pumice.cli.lazy import Target, group_of
from pumice.domain.errors import PumiceError

COMMANDS: Mapping[str, Target] = MappingProxyType(
    {
        "demo": Target("pumice.cli.demo.command:demo", "Show the whole way of a model on the bundled one."),
        "serve": Target("pumice.cli.serve:serve", "Serve models over REST and gRPC until SIGTERM or Ctrl-C."),
        "predict": Target("pumice.cli.predict:predict", "Ask a model of a running server."),
        "bench": Target("pumice.cli.bench.command:bench", "Measure how fast a model is served."),
        "doctor": Target("pumice.cli.doctor.command:doctor", "Tell what this machine offers, and what is missing."),
    }
)
"""The commands by name."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command line and exit.

    Args:
        arguments: The words after ``pumice``; the process's own if left out.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    debug = False

    def remember(
        debug_: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
        version: Annotated[  # noqa: ARG001 - acts in its callback
            bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
        ] = False,
    ) -> None:
        """Take a trained model, make it light, prove that it is still right, and serve it."""
        nonlocal debug
        debug = debug_

    app = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(remember)
    try:
        group_of(app, COMMANDS).main(words, prog_name="pumice")
    except PumiceError as error:
        from pumice.cli.errors import exit_code, show

        show(error, debug=debug or _logs_debug())
        sys.exit(exit_code(error))


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pumice {__version__}")
        raise typer.Exit


def _logs_debug() -> bool:
    """Whether the settings ask for the least important log lines too."""
    from pumice.config import load_settings

    try:
        return load_settings({}).log_level == "debug"
    except PumiceError:  # the error that is being shown is most likely just this one
        return False


if __name__ == "__main__":
    main()
