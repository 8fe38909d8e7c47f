"""No module imports itself by a detour; imports inside functions count."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.house.source import imports_in, module_of, package_files


def import_graph() -> dict[str, set[str]]:
    """Map each module of the package to the modules that it imports, now or later."""
    modules = {module_of(path) for path in package_files()}
    graph: dict[str, set[str]] = {}
    for path in package_files():
        here = module_of(path)
        targets = (resolve(base, name, modules) for base, name, _ in imports_in(path))
        graph[here] = {target for target in targets if target and target != here}
    return graph


def resolve(base: str, name: str, modules: set[str]) -> str | None:
    """Find the module of the package that an import runs: the submodule if there is one of that name."""
    submodule = f"{base}.{name}"
    if name and submodule in modules:
        return submodule
    return base if base in modules else None


def cycle_in(graph: dict[str, set[str]]) -> list[str]:
    """Find one cycle: its modules, each importing the next; empty if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(reversed(error.args[1]))
    return []


def test_there_is_no_import_cycle() -> None:
    cycle = cycle_in(import_graph())
    assert not cycle, "move what both need into a lower module: " + " -> ".join(cycle)


def test_the_graph_sees_what_is_there() -> None:
    graph = import_graph()
    assert "pumice.domain.errors" in graph["pumice.config"]
    assert len(graph) > 30


def test_a_cycle_is_shown() -> None:
    cycle = cycle_in({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}})
    assert cycle[0] == cycle[-1]
    assert set(cycle) == {"a", "b", "c"}


def test_nested_imports_count_and_those_for_types_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "src" / "pumice" / "odd.py"
    file.parent.mkdir(parents=True)
    file.write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from pumice.app import never\n"
        "def late():\n    from .domain import errors\n",
        encoding="utf-8",
    )
    monkeypatch.setattr("tests.house.source.ROOT", tmp_path)
    found = [(base, name) for base, name, _ in imports_in(file)]
    assert found == [("typing", "TYPE_CHECKING"), ("pumice.domain", "errors")]
    assert isinstance(ast.parse(file.read_text(encoding="utf-8")), ast.Module)
