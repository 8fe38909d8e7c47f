"""Where effects may be: none in the domain, the environment in one place, and no test that only waits."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.house.source import PACKAGE, imports_in, name_of, package_files, pyproject, python_files, tree_of

IO_CALLS = frozenset({"open", "input", "print", "exec", "eval", "__import__"})
ENVIRONMENT = frozenset({"os.environ", "os.getenv", "os.environb", "os.putenv", "os.getenvb"})

SLEEPS = ("sleep(", "time.sleep(", "asyncio.sleep(", "anyio.sleep(")


def modules_of_effects() -> set[str]:
    """Read from the import contract what the domain may not import."""
    contracts = pyproject()["tool"]["importlinter"]["contracts"]
    return {
        name
        for contract in contracts
        if contract.get("source_modules") == ["pumice.domain"]
        for name in contract["forbidden_modules"]
    }


def dotted(path: Path) -> Iterator[tuple[str, int]]:
    """Find every dotted name of a file with its line."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Attribute):
            yield ast.unparse(node), node.lineno


def test_the_contract_of_the_domain_names_the_modules_of_effects() -> None:
    assert {"time", "os", "socket", "threading", "subprocess", "asyncio"} <= modules_of_effects()


def test_the_domain_does_no_io() -> None:
    found = []
    forbidden = modules_of_effects()
    for path in python_files("src/pumice/domain"):
        imported = ((base.split(".")[0], line) for base, _, line in imports_in(path))
        found += [f"{name_of(path)}:{line} imports {top}" for top, line in imported if top in forbidden]
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in IO_CALLS:
                found.append(f"{name_of(path)}:{node.lineno} calls {ast.unparse(node.func)}")
            elif isinstance(node, ast.AsyncFunctionDef):
                found.append(f"{name_of(path)}:{node.lineno} is a coroutine")
    assert not found, f"the domain takes values and gives values: {found}"


def test_the_environment_is_read_in_one_place_alone() -> None:
    found = []
    for path in package_files():
        if path != PACKAGE / "environment.py":
            found += [f"{name_of(path)}:{line} {name}" for name, line in dotted(path) if name in ENVIRONMENT]
            found += [
                f"{name_of(path)}:{line} from os import {name}"
                for base, name, line in imports_in(path)
                if f"{base}.{name}" in ENVIRONMENT
            ]
    assert not found, f"ask for the value as a parameter; environment.py reads the environment: {found}"


def test_no_test_sleeps() -> None:
    """A helper may poll and a model may be slow on purpose; a test never just hopes that enough time has passed."""
    found = []
    for path in python_files("tests"):
        if b"sleep(" not in path.read_bytes():
            continue
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                found += [f"{name_of(path)}:{call.lineno}" for call in idle_waits(node)]
    assert not found, f"wait on a condition, or inject the clock: {found}"


def idle_waits(node: ast.AST) -> Iterator[ast.Call]:
    """Find the calls of sleep that no condition ends; what is defined inside is looked at on its own."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.While | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            continue
        if isinstance(child, ast.Call) and ast.unparse(child).startswith(SLEEPS) and ast.unparse(child.args[0]) != "0":
            yield child
        yield from idle_waits(child)


def test_an_idle_wait_is_found() -> None:
    code = "def test_x():\n  time.sleep(1)\n  asyncio.sleep(0)\n  while not done(): time.sleep(0.01)\n"
    assert [call.lineno for call in idle_waits(ast.parse(code).body[0])] == [2]
