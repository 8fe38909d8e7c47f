"""Triton's layout of a model folder: one folder a version, named by its number."""

from __future__ import annotations

from pathlib import Path

import msgspec

from pumice.config import ModelSettings
from pumice.domain.errors import BadArtefact


def expand_versions(settings: ModelSettings) -> list[ModelSettings]:
    """Say which versions a model's source holds; a source that is no such folder is one version.

    Args:
        settings: A model as the user gave it; its ``versions`` choose.

    Raises:
        BadArtefact: A version that is asked for is not there.
    """
    folder = Path(settings.source).expanduser()
    numbers = numbered(folder)
    if not numbers:
        return [settings]
    wanted = settings.versions
    if wanted == "newest":
        chosen = numbers[-1:]
    elif wanted == "all":
        chosen = numbers
    else:
        chosen = [number for number in numbers if number in wanted]
        missing = sorted(set(wanted) - set(chosen))
        if missing:
            raise BadArtefact(
                str(folder), f"it has no version {', '.join(missing)}", f"name some of {', '.join(numbers)}"
            )
    return [msgspec.structs.replace(settings, source=str(folder / number), version=number) for number in chosen]


def numbered(folder: Path) -> list[str]:
    """The versions that a folder holds, oldest first; none if it is a model itself, or no folder."""
    try:
        if not folder.is_dir() or (folder / "manifest.json").exists():
            return []
        names = [entry.name for entry in folder.iterdir() if entry.is_dir()]
    except OSError:
        return []
    # 01 would be a second name of 1
    return sorted((name for name in names if name.isdecimal() and name == str(int(name))), key=int)
