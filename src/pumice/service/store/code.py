"""The source code that goes into a version of a Python model."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from pumice.domain.errors import BadArtefact
from pumice.engines.python.archive import REQUIREMENTS, collect
from pumice.engines.python.own_code import holds
from pumice.engines.safety import refuse_unsafe
from pumice.engines.source import MANIFEST_NAME
from pumice.store.tree import SourceFile, made_file, single_file

SOURCE = "source"
"""Key of an environment: the digest of a model's code."""


@dataclass(frozen=True, slots=True)
class Archived:
    """The files of a Python model.

    Attributes:
        files: All of them, ordered by path.
        code: Those of its code.
        environment: Installed packages with their versions, and `SOURCE`.
    """

    files: list[SourceFile]
    code: list[SourceFile]
    environment: dict[str, str]


def files_of_class(reference: str) -> Archived:
    """The files of a model that is a class and nothing else: its code, and a manifest that names it.

    Args:
        reference: ``module:Class``, looked up as `pumice serve` does.

    Raises:
        BadArtefact: There is no such class, or its code cannot be taken along.
        UnsafeArtefact: A file of its package may run code when it is read.
    """
    manifest = msgspec.json.format(msgspec.json.encode({"format": "python", "model": reference}), indent=2)
    return with_code(reference, [made_file(MANIFEST_NAME, manifest)], None)


def with_code(reference: str, files: Sequence[SourceFile], folder: Path | None) -> Archived:
    """Add what a model's class needs to the files of its folder.

    Args:
        reference: ``module:Class``.
        files: Files of the folder.
        folder: The folder; it may hold the class, or just its weights.

    Raises:
        BadArtefact: There is no such class, its code cannot be taken along, or a file of it would lie where another is.
        UnsafeArtefact: A file of its package may run code when it is read.
    """
    own = folder if folder is not None and holds(folder, reference.partition(":")[0]) else None
    code = collect(reference, [own] if own else [])
    taken = {file.path: file for file in files}
    for path, place in code.files.items():
        inside = folder is not None and place.resolve() == (folder / path).resolve()
        if inside or (path == REQUIREMENTS and path in taken):
            continue
        if path in taken:
            problem = f"the model's code has a file '{path}', and so has its folder"
            raise BadArtefact(str(place), problem, "rename one of them, or move the code into the folder")
        refuse_unsafe(place)
        taken[path] = single_file(place, place.parents[path.count("/")])
    own_files = [taken[path] for path in sorted(code.files)]
    every = sorted(taken.values(), key=lambda file: file.path)
    return Archived(every, own_files, code.requires | {SOURCE: _digest(own_files)})


def _digest(files: Sequence[SourceFile]) -> str:
    """SHA-256 of the list of files as `sha256sum` writes it, in the order of their paths."""
    lines = []
    for file in files:
        with file.open() as stream:
            lines.append(f"{hashlib.file_digest(stream, 'sha256').hexdigest()}  {file.path}\n")
    return f"sha256:{hashlib.sha256(''.join(lines).encode()).hexdigest()}"
