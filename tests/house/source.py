"""The repository's files as the house tests read them: found once, parsed once."""

import ast
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "pumice"
CODE_FOLDERS = ("src", "tests", "benchmarks", "training", "scripts")


@cache
def python_files(*folders: str) -> tuple[Path, ...]:
    """List the Python files that people write, below the folders (all code if none is named)."""
    found = (path for folder in folders or CODE_FOLDERS for path in (ROOT / folder).rglob("*.py"))
    return tuple(sorted(path for path in found if not _generated(path)))


def package_files() -> tuple[Path, ...]:
    """List the Python files of the package."""
    return python_files("src/pumice")


@cache
def tree_of(path: Path) -> ast.Module:
    """Parse a file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


@cache
def pyproject() -> dict[str, Any]:
    """Read pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def name_of(path: Path) -> str:
    """Name a file from the repository's root, for messages."""
    return path.relative_to(ROOT).as_posix()


def module_of(path: Path) -> str:
    """Name the module that a file holds."""
    inside = ROOT / "src" if path.is_relative_to(ROOT / "src") else ROOT
    parts = path.relative_to(inside).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_in(path: Path) -> Iterator[tuple[str, str, int]]:
    """Find every import of a file that is carried out some time, those inside functions too.

    Imports for the type checker alone are left out.

    Yields:
        The module, the name taken from it (empty for a plain import), and the line.
    """
    package = module_of(path) if path.name == "__init__.py" else module_of(path).rpartition(".")[0]
    for node in _carried_out(tree_of(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, "", node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(package, node)
            for alias in node.names:
                yield base, alias.name, node.lineno


def _absolute(package: str, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parents = package.split(".")
    kept = parents[: len(parents) - node.level + 1]
    return ".".join([*kept, node.module] if node.module else kept)


def _carried_out(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for other in child.orelse:
                yield from (other, *_carried_out(other))
            continue
        yield child
        yield from _carried_out(child)


def _generated(path: Path) -> bool:
    return path.name.endswith(("_pb2.py", "_pb2_grpc.py"))
