"""Files that come in from a folder of this machine, and places that appear whole."""

from __future__ import annotations

import os
import shutil
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pumice.domain.errors import BadArtefact, StorageFailed
from pumice.domain.store.names import check_path

MOST_FILES = 100_000
"""A model has fewer files than that."""


def files_below(folder: Path, root: Path, skipped: frozenset[str]) -> dict[str, Path]:
    """Find the files of a folder by their paths in it, in order.

    Args:
        folder: Where they lie.
        root: Links to files may lead to anything in it.
        skipped: Names of folders that are not looked into.

    Raises:
        BadArtefact: A link leads out of the root, to a folder or to nothing; or there are too many files.
        MalformedInput: A name cannot be kept on every system.
        OSError: A folder cannot be read.
    """
    found: dict[str, Path] = {}
    bounds = root.resolve()
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in skipped)
        for name in (*names, *(name for name in folders if Path(place, name).is_symlink())):
            file = Path(place, name)
            found[check_path(file.relative_to(folder).as_posix())] = _real(file, bounds)
        if len(found) > MOST_FILES:
            raise BadArtefact(str(folder), f"it has more than {MOST_FILES} files", "name the model's own folder")
    return dict(sorted(found.items()))


def _real(file: Path, bounds: Path) -> Path:
    target = file.resolve()
    if not target.is_relative_to(bounds):
        raise BadArtefact(str(file), "a link that leads out of the model's folder", "copy the file into the folder")
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        raise BadArtefact(str(file), "a link to nothing", "take it out, or finish the download") from None
    if not stat.S_ISREG(mode):
        raise BadArtefact(str(file), "neither a file nor a folder, or a link to a folder", "take it out")
    return target


def lay_down(file: Path, target: Path) -> int:
    """Put a file at a place where there is none yet: as a hard link where that is possible, else as a copy.

    Returns:
        Its length (bytes).

    Raises:
        StorageFailed: It could not be read or written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(file, target)
        except OSError:  # another file system, or one without hard links
            shutil.copyfile(file, target)
        return target.stat().st_size
    except OSError as error:
        raise StorageFailed(str(target), error.strerror or str(error)) from error


@contextmanager
def landing(target: str | Path) -> Iterator[Path]:
    """Give a place beside a target; what is built there becomes the target when all has gone well.

    Args:
        target: A file or folder that is not there yet, or an empty folder.

    Raises:
        BadArtefact: There is something already.
        StorageFailed: It could not be put in its place.
    """
    place = Path(target).expanduser().absolute()
    part = place.with_name(f".{place.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        if place.is_symlink() or (place.exists() and (not place.is_dir() or any(place.iterdir()))):
            raise BadArtefact(str(target), "it is there already", "name a place where there is nothing")
        place.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(place)
    except OSError as error:
        raise StorageFailed(str(target), error.strerror or str(error)) from error
    finally:
        if part.is_dir():
            shutil.rmtree(part, ignore_errors=True)
        else:
            part.unlink(missing_ok=True)
