"""A model's own modules, from its folder alone: a version runs the code that it was pushed with."""

from __future__ import annotations

import importlib
import sys
import sysconfig
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType


def holds(folder: Path, module: str) -> bool:
    """Whether a folder has the source of a module, by its dotted name."""
    place = folder.joinpath(*module.split("."))
    return place.with_name(f"{place.name}.py").is_file() or (place / "__init__.py").is_file()


def use_code_of(folder: Path) -> None:
    """From now on, import the modules and packages of a folder from there, whatever has their names elsewhere.

    What this process has loaded from Python's own library or from an installed package stays: a file called as one of
    those cannot take its place. A module of these names that came from anywhere else is forgotten, also an older
    version of the same one; objects made of it live on.

    Args:
        folder: The model's folder.
    """
    names = {entry.stem for entry in folder.iterdir() if entry.suffix == ".py" or _is_package(entry)}
    names -= {"pumice", *sys.stdlib_module_names}
    names = {name for name in names if name not in sys.modules or not _is_installed(sys.modules[name])}
    for loaded in [loaded for loaded in sys.modules if loaded.partition(".")[0] in names]:
        del sys.modules[loaded]
    sys.meta_path.insert(0, _OwnCode(folder, frozenset(names)))
    importlib.invalidate_caches()


def installed_folders() -> frozenset[Path]:
    """Where Python's own library and installed packages lie."""
    return frozenset(
        Path(sysconfig.get_path(kind)).resolve() for kind in ("stdlib", "platstdlib", "purelib", "platlib")
    )


def is_installed(path: Path) -> bool:
    """Whether a file or folder belongs to Python's own library or to an installed package."""
    return any(path.resolve().is_relative_to(folder) for folder in installed_folders())


class _OwnCode(MetaPathFinder):
    def __init__(self, folder: Path, names: frozenset[str]) -> None:
        self._folder = str(folder)
        self._names = names

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del target
        return PathFinder.find_spec(fullname, [self._folder]) if path is None and fullname in self._names else None


def _is_package(entry: Path) -> bool:
    return entry.is_dir() and entry.name.isidentifier() and any(entry.rglob("*.py"))


def _is_installed(module: ModuleType) -> bool:
    file = getattr(module, "__file__", None)
    return file is None or is_installed(Path(file))
