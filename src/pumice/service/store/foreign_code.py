"""Models that are code of others: what comes from elsewhere may name none."""

from __future__ import annotations

from pathlib import Path

import msgspec

from pumice.domain.errors import UnsafeArtefact
from pumice.domain.model import Manifest
from pumice.engines.discovery import engines_in_files
from pumice.engines.registry import engine_class, engine_that_takes
from pumice.engines.source import MANIFEST_NAME


def refuse_code(folder: Path, said: Manifest | None, mend: str) -> None:
    """Refuse a model that is code; what it names would also be looked for in this machine's own code.

    Args:
        folder: Its files.
        said: What is said of it besides them.
        mend: What to do.

    Raises:
        UnsafeArtefact: A manifest names code.
    """
    for file in folder.glob(f"*{MANIFEST_NAME}"):
        try:
            told = msgspec.json.decode(file.read_bytes())
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue  # the push says what is wrong with it
        if isinstance(told, dict) and any(_is_code(folder, told.get(key)) for key in ("format", "model")):
            raise UnsafeArtefact(file.name, "the manifest of a model that is code of its own", mend)
    if said is not None and any(_is_code(folder, named) for named in (said.format, said.model)):
        raise UnsafeArtefact("what is said of the model", "it is code of its own", mend)


def _is_code(folder: Path, named: object) -> bool:
    if not isinstance(named, str) or not named or (folder / named).is_file():
        return False
    engine = engine_class(named) if named in engines_in_files() else engine_that_takes(named, None)
    return engine is not None and engine.runs_code
