"""The face of the command line: help, version, errors, exit codes, and that it loads little."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib import import_module

import pytest

from pumice import __version__
from pumice.cli.main import COMMANDS, GROUPS
from tests.cli.command import pumice


def test_help_names_every_command() -> None:
    pages = {group: pumice(*group, "--help") for group in ((), *((name,) for name in GROUPS))}
    assert all(page.returncode == 0 for page in pages.values())
    for name, target in COMMANDS.items():
        *group, command = name.split()
        assert f"{command}  " in pages[tuple(group)].stdout
        assert target.summary in pages[tuple(group)].stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_what_the_help_says(name: str) -> None:
    target = COMMANDS[name]
    module, _, function = target.function.partition(":")
    docstring = inspect.getdoc(getattr(import_module(module), function)) or ""
    assert docstring.startswith(target.summary.removesuffix("."))


def test_a_commands_own_help_is_the_real_ones() -> None:
    done = pumice("predict", "--help")
    assert done.returncode == 0
    assert "NAME[@VERSION]" in done.stdout
    assert "--url" in done.stdout


def test_version() -> None:
    done = pumice("--version")
    assert (done.returncode, done.stdout) == (0, f"pumice {__version__}\n")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["fly"], "No such command 'fly'"),
        (["predict"], "Missing argument"),
        (["predict", "m", "x", "--colour"], "No such option"),
        (["bench", "m", "--rows", "0"], "--rows"),
        (["bench", "m", "--protocol", "fax"], "--protocol"),
        (["bench", "m", "--replicas", "2", "--url", "http://127.0.0.1:1"], "--replicas: given with 'm'"),
        (["bench", "x:Y", "--pid", "1"], "--pid: given with the SOURCE"),
        (["predict", "m", "x", "--url", "nowhere"], "url: given 'nowhere'"),
        (["serve", "a:Same", "b:Same"], "names that differ"),
        (["--debug=3", "serve"], "--debug"),
    ],
)
def test_a_wrong_command_line_is_2_and_says_so(words: list[str], told: str) -> None:
    done = pumice(*words)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_failure_is_1_in_one_line() -> None:
    done = pumice("predict", "m", "x", "--url", "http://127.0.0.1:1", "--timeout", "0.2")
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("pumice: http://127.0.0.1:1: ")
    assert "see that the address is right" in line


def test_a_wrong_setting_is_named_with_its_origin() -> None:
    done = pumice("doctor", environ={"PUMICE_PORT": "many"})
    assert done.returncode == 2
    assert "environment: 'port': given 'many'" in done.stderr


@pytest.mark.parametrize(("words", "environ"), [(["--debug"], {}), ([], {"PUMICE_LOG_LEVEL": "debug"})])
def test_the_traceback_is_shown_on_demand(words: list[str], environ: dict[str, str]) -> None:
    done = pumice(*words, "predict", "m", "x", "--url", "nowhere", environ=environ)
    assert done.returncode == 2
    assert done.stderr.startswith("pumice: url: given 'nowhere'")
    assert "Traceback (most recent call last)" in done.stderr


def test_without_a_command_the_help_is_shown() -> None:
    done = pumice()
    assert done.returncode == 2
    assert "Commands:" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("code", "unwanted"),
    [
        ("import pumice, pumice.client", "numpy httpx typer rich msgspec asyncio"),
        ("import pumice.cli.main", "numpy httpx rich typer msgspec asyncio pumice.config pumice.app"),
        (
            "import contextlib, pumice.cli.main as m\nwith contextlib.suppress(SystemExit): m.main(['--help'])",
            "numpy httpx rich msgspec asyncio pumice.config pumice.app",
        ),
        ("import pumice.cli.serving", "typer pydantic httpx rich uvicorn starlette grpc sqlalchemy onnxruntime"),
    ],
)
def test_only_what_is_needed_is_imported(code: str, unwanted: str) -> None:
    probe = f"import sys\n{code}\nsys.exit(' '.join(sorted(set('{unwanted}'.split()) & set(sys.modules))))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""
