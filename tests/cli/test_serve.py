"""`pumice serve`: its plain command lines are read alike with and without typer."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from typer.core import TyperOption

from pumice.cli import serve as serve_module
from pumice.cli.face import load, run
from pumice.cli.main import COMMANDS, GROUPS
from pumice.cli.serving import SETTINGS, Wish, read_plain
from pumice.config import Settings, load_settings
from tests.cli.command import ROOT, pumice
from tests.support.server import RunningServer


def by_typer(words: list[str], monkeypatch: pytest.MonkeyPatch) -> Wish:
    wishes: list[Wish] = []
    monkeypatch.setattr(serve_module, "run_server", wishes.append)
    with contextlib.suppress(SystemExit):
        run(["serve", *words], COMMANDS, GROUPS)
    (wish,) = wishes
    return wish


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["a.onnx"],
        ["a=a.onnx", "--port", "0", "b=m:C", "--grpc-port", "-1"],
        ["--port=9000", "--host=", "m:C"],
        ["--port", "1", "--port", "2", "--home", "~/x=y"],
        ["-f", "pumice.yaml", "--announce=here.json"],
        ["--file", "pumice.yaml", "--announce", "here.json", "--log-level", "debug", "--log-format", "json"],
        ["--replicas", "2", "--threads", "1", "--provider", "cpu", "--max-batch-size", "8", "--max-delay-ms", "0.5"],
        ["--insecure", "a.onnx", "--auth", "keys"],
        ["--timeout", "2.5", "--cache-size", "1000", "a.onnx"],
    ],
)
def test_both_ways_read_the_same(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    plain = read_plain(words)
    assert plain is not None
    typed = by_typer(words, monkeypatch)
    assert (plain.sources, plain.file, plain.announce) == (typed.sources, typed.file, typed.announce)
    assert load_settings(plain.settings, environ={}) == load_settings(typed.settings, environ={})


@pytest.mark.parametrize(
    "words", [["--help"], ["-h"], ["a.onnx", "--port"], ["--colour", "red"], ["-x", "1"], ["--", "a"], ["-"], ["-fx"]]
)
def test_what_is_not_plain_is_left_to_typer(words: list[str]) -> None:
    assert read_plain(words) is None


def test_both_ways_know_the_same_options() -> None:
    command = load("serve", COMMANDS["serve"])
    names = {param.name for param in command.params if isinstance(param, TyperOption)}
    assert names == {*SETTINGS, "insecure", "file", "announce"}
    assert set(SETTINGS) <= set(Settings.__struct_fields__)
    for option in sorted(names):
        assert read_plain([f"--{option}".replace("_", "-"), "1"]) is not None


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "SOURCE: given nothing to serve"),
        (["--port", "many", "a.onnx"], "command line: 'port': given 'many'"),
        (["-f", "absent.yaml"], "absent.yaml"),
        (["absent.onnx"], "absent.onnx"),
        (["--colour", "red"], "No such option"),
    ],
)
def test_a_wrong_command_line_is_2_and_says_so(words: list[str], told: str, tmp_path: Path) -> None:
    done = pumice("serve", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_typer_is_not_there_when_the_server_starts() -> None:
    with RunningServer("m=tests.support.models:Doubler", cwd=ROOT) as server:
        maps = Path(f"/proc/{server.process.pid}/maps").read_text(encoding="utf-8")
    assert "pydantic_core" not in maps
