"""The source code of a Python model: its module or package, and what these import from beside them.

Nothing is imported or run: modules are found by their files, and imports are read from the syntax tree. So an import
that is put together while the code runs is not seen.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES, PathFinder
from importlib.metadata import packages_distributions, version
from pathlib import Path

from pumice.domain.errors import BadArtefact
from pumice.domain.store.names import is_left_out
from pumice.engines.python.own_code import is_installed

MOST_FILES = 2000
"""A model's code has so many files at most."""

MOST_BYTES = 64 << 20
"""A model's code is so large at most (bytes)."""

REQUIREMENTS = "requirements.txt"
"""Taken along where it lies beside the module."""

_COMPILED = (*EXTENSION_SUFFIXES, ".so", ".pyd", ".dll", ".dylib")


@dataclass
class Code:
    """What a Python model needs to be imported.

    Attributes:
        files: Path inside the model's folder -> where the file lies.
        requires: Installed packages that it imports, with their versions.
    """

    files: dict[str, Path] = field(default_factory=dict)
    requires: dict[str, str] = field(default_factory=dict)


def collect(reference: str, first: Sequence[Path]) -> Code:
    """Find the code of a model.

    The rule: the module's file, or the whole package that it lies in, from the top; then, for each import in them, the
    module or package of that name if it belongs neither to Python nor to an installed package, and so on. Of a package
    all files are taken but those that `is_left_out` names. Installed packages are named with their versions.

    Args:
        reference: ``module:Class``.
        first: Folders that are looked in before those of ``sys.path``; the working directory comes last.

    Raises:
        BadArtefact: There is no such module or class, a file is no Python, has compiled code, or all of it is too much.
    """
    module, _, name = reference.partition(":")
    collector = _Collector([*map(str, first), *sys.path, str(Path.cwd())])
    collector.take(module)
    _check_class(reference, collector.source_of(module), name)
    return collector.code


class _Collector:
    def __init__(self, places: list[str]) -> None:
        self.code = Code()
        self._places = places
        self._seen: set[str] = set()
        self._bytes = 0

    def take(self, module: str) -> None:
        """Take a module and all that it imports."""
        found = self._find(module)
        if found is None:
            mend = "start in the folder that holds it, or install it"
            raise BadArtefact(module, "there is no such module with source code", mend)
        waiting = [(module, *found)]
        while waiting:
            name, root, place = waiting.pop()
            for path in self._files(root, place):
                waiting += [(top, *at) for top in _imports(path) if (at := self._beside(top)) is not None]
            self._seen.add(name.partition(".")[0])
            requirements = root / REQUIREMENTS
            if requirements.is_file() and not is_installed(root):
                self._add(root, requirements)

    def source_of(self, module: str) -> Path:
        """The file of a module that was taken."""
        stem = module.replace(".", "/")
        found = self.code.files.get(f"{stem}.py") or self.code.files.get(f"{stem}/__init__.py")
        if found is None:
            raise BadArtefact(module, "there is no such module in its package", "mend its name")
        return found

    def _beside(self, top: str) -> tuple[Path, Path] | None:
        """Where the module of an import lies, if it is to be taken along; else it is noted as required."""
        if top in self._seen or top == "pumice" or top in sys.stdlib_module_names:
            return None
        self._seen.add(top)
        found = self._find(top)
        if found is not None and not is_installed(found[1]):
            return found
        for name in _distributions().get(top, ())[:1]:
            self.code.requires[name] = version(name)
        return None

    def _find(self, module: str) -> tuple[Path, Path] | None:
        """The folder from which a module is imported, and its file or the folder of its topmost real package."""
        places, name = self._places, ""
        for part in module.split("."):
            name = f"{name}.{part}" if name else part
            spec = PathFinder.find_spec(name, places)
            if spec is None:
                return None
            if spec.origin and spec.has_location:
                file = Path(spec.origin).absolute()
                place = file.parent if spec.submodule_search_locations is not None else file
                return place.parents[name.count(".")], place
            places = list(spec.submodule_search_locations or ())  # a package without __init__.py
        return None

    def _files(self, root: Path, place: Path) -> Iterator[Path]:
        """Take a file or a package, and give what of it is Python."""
        for path in _walk(place) if place.is_dir() else (place,):
            if path.name.endswith(_COMPILED):
                mend = "install the package that it belongs to instead, where the model is served"
                raise BadArtefact(str(path), "compiled code, which fits one kind of machine only", mend)
            self._add(root, path)
            if path.suffix == ".py":
                yield path

    def _add(self, root: Path, path: Path) -> None:
        inside = path.relative_to(root).as_posix()
        if inside in self.code.files:
            return
        self.code.files[inside] = path
        self._bytes += path.stat().st_size
        if len(self.code.files) > MOST_FILES or self._bytes > MOST_BYTES:
            problem = f"the model's code has more than {MOST_FILES} files or {MOST_BYTES >> 20} MiB"
            mend = "move the model into a module or package of its own; push weights with it as a folder"
            raise BadArtefact(str(path.parent), problem, mend)


@cache
def _distributions() -> Mapping[str, list[str]]:
    """Installed packages by the names that are imported of them; it takes a third of a second."""
    return packages_distributions()


def _walk(folder: Path) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        if is_left_out(entry.name) or entry.name.startswith("."):
            continue
        if entry.is_dir():
            if not entry.is_symlink():
                yield from _walk(entry)
        else:
            yield entry


def _imports(path: Path) -> Iterator[str]:
    """Names at the top of what a file imports; relative imports stay in its package."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module.partition(".")[0]


def _tree(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError) as error:
        raise BadArtefact(str(path), f"it is no Python ({error})", "mend it, or take it out") from None


def _check_class(reference: str, path: Path, name: str) -> None:
    """Refuse a reference to what the module's text does not make; a star import may make anything."""
    made: set[str] = set()
    for node in _tree(path).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            made.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            made |= {alias.asname or alias.name for alias in node.names}
        elif not isinstance(node, ast.Expr):
            made |= {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
            made |= {inner.name for inner in ast.walk(node) if isinstance(inner, ast.ClassDef)}
    if name not in made and "*" not in made:
        classes = sorted(node.name for node in _tree(path).body if isinstance(node, ast.ClassDef))
        raise BadArtefact(reference, f"{path} has no class '{name}'", f"name one of its classes ({', '.join(classes)})")
