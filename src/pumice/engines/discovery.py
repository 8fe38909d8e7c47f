"""Which engines the installed packages declare (entry points, group ``pumice.engines``).

Every replica asks this on its way up, and usually for one name only. ``importlib.metadata`` takes 30 ms for it (25 of
them to be imported); reading the ``entry_points.txt`` files of the installed packages takes 3. So the files are read
here, and ``importlib.metadata`` is asked only when they do not hold the answer: for packages in zip files, eggs, or
behind an importer of their own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from pumice.domain.errors import BadSetting

GROUP = "pumice.engines"
"""Entry point group of engines."""

Declared = dict[str, str]
"""Name of an engine -> ``module:Class``; Pumice's own first."""


def engines_in_files() -> Declared:
    """Collect the engines that packages installed as plain folders declare.

    Raises:
        BadSetting: Two packages declare different engines under one name.
    """
    return _collect(_pairs_in_files())


def engines_by_metadata() -> Declared:
    """Collect the engines of all packages, however they are installed; slow.

    Raises:
        BadSetting: Two packages declare different engines under one name.
    """
    from importlib.metadata import entry_points

    return _collect((entry.name, entry.value) for entry in entry_points(group=GROUP))


def _collect(pairs: Iterator[tuple[str, str]]) -> Declared:
    declared: Declared = {}
    for name, value in pairs:
        if declared.setdefault(name, value) != value:
            raise BadSetting(
                f"engine '{name}'", f"both {declared[name]} and {value}", "one of them: uninstall the other's package"
            )
    # a package that is installed later must not change what runs today's models
    return dict(sorted(declared.items(), key=lambda item: (not item[1].startswith("pumice."), item[0])))


def _pairs_in_files() -> Iterator[tuple[str, str]]:
    for folder in dict.fromkeys(sys.path):
        try:
            entries = list(os.scandir(folder or "."))
        except OSError:
            continue  # zip files and folders that are not there are usual on sys.path
        for entry in entries:
            if entry.name.endswith(".dist-info"):
                yield from _pairs(Path(entry.path, "entry_points.txt"))


def _pairs(file: Path) -> Iterator[tuple[str, str]]:
    """Read one group of a file in the format of the Python packaging guide ("Entry points specification")."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return
    if GROUP not in text:
        return
    group = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            group = line.strip("[]").strip()
        elif group == GROUP and "=" in line and line[0] not in "#;":
            name, _, value = line.partition("=")
            yield name.strip(), value.partition("[")[0].strip()
