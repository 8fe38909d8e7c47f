"""``pumice``: finds the command, runs it, turns what goes wrong into a line and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from itertools import takewhile
from types import MappingProxyType

from pumice.cli.target import Target
from pumice.domain.errors import PumiceError

COMMANDS: Mapping[str, Target] = MappingProxyType(
    {
        "demo": Target("pumice.cli.demo.command:demo", "Show the whole way of a model on the bundled one."),
        "serve": Target("pumice.cli.serve:serve", "Serve models over REST and gRPC until SIGTERM or Ctrl-C."),
        "predict": Target("pumice.cli.predict:predict", "Ask a model of a running server."),
        "batch": Target("pumice.cli.batch.command:batch", "Run a model over a file."),
        "bench": Target("pumice.cli.bench.command:bench", "Measure how fast a model is served."),
        "quantize": Target("pumice.cli.passes.quantize:quantize", "Store a model's numbers in fewer bits."),
        "fuse": Target("pumice.cli.passes.fuse:fuse", "Fuse the nodes of an ONNX model."),
        "export onnx": Target(
            "pumice.cli.passes.exporting:export_onnx",
            "Write a torch program (.pt2) or a Hugging Face directory as ONNX.",
        ),
        "keys create": Target("pumice.cli.keys:create", "Make a key and show it this once."),
        "keys list": Target("pumice.cli.keys:every", "List the keys, without what is secret of them."),
        "keys revoke": Target("pumice.cli.keys:revoke", "End a key; servers refuse it within a second."),
        "keys rotate": Target("pumice.cli.keys:rotate", "Replace a key; the old one stays good for a while."),
        "models list": Target("pumice.cli.models.looking:every", "List the models, or the versions of one."),
        "models show": Target("pumice.cli.models.looking:show", "Tell all that is known of a version."),
        "models push": Target("pumice.cli.models.transfer:push", "Store a model as the next version of a name."),
        "models convert": Target(
            "pumice.cli.models.converting:convert",
            "Convert a file that may run code when it is read into one that does not.",
        ),
        "models pull": Target("pumice.cli.models.transfer:pull", "Write the files of a version into a folder."),
        "models import": Target(
            "pumice.cli.models.exchanging:import_model", "Store a model that comes from another registry or form."
        ),
        "models export": Target("pumice.cli.models.exchanging:export_model", "Bring a version to another registry."),
        "models alias": Target("pumice.cli.models.changing:alias", "Let an alias point to a version."),
        "models rollback": Target(
            "pumice.cli.models.changing:rollback", "Let an alias point to where it pointed before."
        ),
        "models diff": Target("pumice.cli.models.looking:diff", "Tell what changed from one version to another."),
        "models lineage": Target("pumice.cli.models.looking:lineage", "Tell where a version comes from."),
        "models verify": Target(
            "pumice.cli.models.changing:verify",
            "Hold every byte against digests and signatures.",
        ),
        "models seal-key": Target("pumice.cli.models.sealing:seal_key", "Make a key that versions are sealed with."),
        "models reseal": Target(
            "pumice.cli.models.sealing:reseal", "Wrap the keys of sealed versions with the first key of seal_key."
        ),
        "models sign": Target("pumice.cli.models.trust:sign", "Sign what no trusted key signed."),
        "models trust": Target(
            "pumice.cli.models.trust:trust",
            "List the keys that sign here, or on a server, and are trusted, or change them.",
        ),
        "models delete": Target("pumice.cli.models.changing:delete", "Delete a version."),
        "models gc": Target("pumice.cli.models.changing:gc", "Give back the space of what no version needs."),
        "models backup": Target("pumice.cli.models.backing:backup", "Back up the store and its home into a folder."),
        "models restore": Target("pumice.cli.models.backing:restore", "Restore a backup into an empty home."),
        "models repair": Target("pumice.cli.models.backing:repair", "Mend what has changed, from a backup."),
        "optimize": Target(
            "pumice.cli.optimize.optimizing:optimize",
            "Make a model light, and prove that it is still right.",
        ),
        "certify": Target("pumice.cli.optimize.certifying:certify", "Prove that a model may stand in for another one."),
        "doctor": Target("pumice.cli.doctor.command:doctor", "Tell what this machine offers, and what is missing."),
    }
)
"""The commands by name; one of two words stands in a group."""

GROUPS: Mapping[str, str] = MappingProxyType(
    {
        "export": "Models in other forms.",
        "keys": "The keys of callers, on the home or on a running server.",
        "models": "The versions of models in the store of the home.",
    }
)
"""What the groups are about."""

_INTERRUPTED = 130
"""What shells expect of a program that Ctrl-C has ended."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command line and exit.

    Args:
        arguments: The words after ``pumice``; the process's own if left out.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        _run(words)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    except PumiceError as error:
        from pumice.cli.errors import exit_code, show

        show(error, debug="--debug" in takewhile(_is_option, words) or _logs_debug())
        sys.exit(exit_code(error))


def _run(words: list[str]) -> None:
    if words[:1] == ["serve"]:
        from pumice.cli.serving import read_plain, run_server

        wish = read_plain(words[1:])
        if wish is not None:
            run_server(wish)
            return
    from pumice.cli.face import run

    run(words, COMMANDS, GROUPS)


def _is_option(word: str) -> bool:
    return word.startswith("-")


def _logs_debug() -> bool:
    """Whether the settings ask for the least important log lines too."""
    from pumice.config import load_settings

    try:
        return load_settings({}).log_level == "debug"
    except PumiceError:  # the error that is being shown is most likely just this one
        return False


if __name__ == "__main__":
    main()
