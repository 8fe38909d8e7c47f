"""Every gate that is configured is really run: by `make check` or `make test`, and those by CI."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.source import ROOT, pyproject

# section of pyproject.toml -> the target and the commands that put it to work
GATES = {
    "ruff": ("check", ["ruff format --check --quiet .", "ruff check --quiet ."]),
    "mypy": ("check", ["mypy"]),
    "importlinter": ("check", ["lint-imports --no-logo --no-cache"]),
    "pytest": ("test", ["pytest -n 3 --dist worksteal"]),
}
BUILD_TOOLS = {"hatch"}
SELECTING = {"-k", "-m", "--ignore", "--ignore-glob", "--deselect"}
CI_STEPS = ["check", "docs", "test"]


def recipe(target: str) -> list[str]:
    """Let make say what it would run, each command with its path and `python -m` taken off."""
    command = ["make", "--dry-run", "--always-make", "TEST_WORKERS=3", target]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    return [line.removeprefix(".venv/bin/").removeprefix("python -m ") for line in result.stdout.splitlines()]


def test_every_configured_tool_is_a_known_gate() -> None:
    assert set(pyproject()["tool"]) - BUILD_TOOLS == set(GATES), "a new tool: let `make check` run it and name it here"


@pytest.mark.parametrize("tool", GATES)
def test_every_gate_is_run_over_everything(tool: str) -> None:
    target, commands = GATES[tool]
    run = recipe(target)
    missing = [command for command in commands if command not in run]
    assert not missing, f"`make {target}` does not run {missing}"


def test_check_runs_the_house_tests_and_docs_are_built() -> None:
    assert "pytest tests/house" in recipe("check")
    assert "properdocs build --quiet --strict" in recipe("docs")
    assert "scripts.generate_reference --check" in recipe("docs")


def test_every_tool_for_the_gates_is_installed_for_them() -> None:
    groups = pyproject()["dependency-groups"]
    wanted = {"check": ["ruff", "mypy", "import-linter"], "test": ["pytest", "pytest-xdist"], "docs": ["properdocs"]}
    for group, tools in wanted.items():
        for tool in tools:
            assert any(line.startswith(f"{tool}>=") for line in groups[group]), f"{tool} is not in group {group}"
    set_up = " ".join(recipe("check"))
    assert "--group test" in set_up
    assert "--group check" in set_up


def test_the_limits_are_those_that_the_house_promises() -> None:
    tool = pyproject()["tool"]
    lint = tool["ruff"]["lint"]
    assert lint["mccabe"]["max-complexity"] <= 10
    assert lint["pylint"]["max-args"] <= 6
    assert {"C90", "PL", "D", "BLE", "S", "ANN"} - {"ANN"} <= set(lint["select"])
    assert not [pattern for pattern in lint["per-file-ignores"] if pattern.startswith("src")]
    assert tool["mypy"]["strict"] is True
    assert {"src", "tests"} <= set(tool["mypy"]["files"])
    for override in tool["mypy"].get("overrides", []):
        assert set(override) == {"module", "ignore_missing_imports"}, "strict means everywhere"


def test_no_test_is_left_out_by_the_configuration() -> None:
    options = pyproject()["tool"]["pytest"]["ini_options"]
    assert options["testpaths"] == ["tests"]
    given = shlex.split(options["addopts"])
    at = given.index("-m")
    assert given[at + 1] == "not long"
    words = [*given[:at], *given[at + 2 :], *pytest_words("test")]
    assert not SELECTING & {word.split("=")[0] for word in words}
    for conftest in (ROOT / "tests").rglob("conftest.py"):
        assert "collect_ignore" not in conftest.read_text(encoding="utf-8"), conftest


def test_what_is_long_is_run_with_everything_else() -> None:
    words = pytest_words("test-all")
    at = words.index("-m")
    assert words[at + 1] == "long or not long"
    assert not SELECTING & {word.split("=")[0] for word in [*words[:at], *words[at + 2 :]]}
    assert {"tests.fuzz", "tests.soak --minutes 30"} <= set(recipe("test-all"))


def pytest_words(target: str) -> list[str]:
    return shlex.split(next(line for line in recipe(target) if line.startswith("pytest")))


def test_the_house_tests_are_collected() -> None:
    listing = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "tests/house"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert listing.returncode == 0, listing.stdout + listing.stderr
    for file in (ROOT / "tests" / "house").glob("test_*.py"):
        assert f"tests/house/{file.name}" in listing.stdout


@pytest.fixture
def fake_make(tmp_path: Path) -> Path:
    """A `make` that notes its target and fails for the one named in FAILING."""
    script = tmp_path / "bin" / "make"
    script.parent.mkdir()
    script.write_text(
        f'#!/bin/sh\nfor target in "$@"; do :; done; echo "$target" >> {tmp_path}/calls\n[ "$target" != "$FAILING" ]\n',
        encoding="utf-8",
    )
    script.chmod(0o755)
    return script.parent


@pytest.mark.parametrize("failing", ["", *CI_STEPS])
def test_ci_runs_every_step_and_fails_with_any(fake_make: Path, failing: str) -> None:
    environment = {**os.environ, "PATH": f"{fake_make}:{os.environ['PATH']}", "FAILING": failing}
    result = subprocess.run(
        ["bash", ".ci/run"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert (fake_make.parent / "calls").read_text(encoding="utf-8").split() == CI_STEPS
    assert (result.returncode == 0) == (not failing)
    if failing:
        assert re.search(f"FAILED: make .*{failing}", result.stdout)
