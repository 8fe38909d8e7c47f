"""Folders that are being pulled: hidden beside their target until they are whole, and found again by the next pull."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

from pumice.domain.errors import BadArtefact, StorageFailed, Tampered

_SUFFIX = ".part"


@contextlib.contextmanager
def part_of(folder: Path, digest: str, *, stays: bool) -> Iterator[Path]:
    """The folder in which a version is put together; a pull of it that was cut off has left something there.

    It stays if the pull fails, so that the next one goes on, unless stored bytes had changed. Those of other versions
    for the same target go.

    Args:
        folder: The target.
        digest: Digest of the version, in hex.
        stays: Whether something is left for the next pull; not if it would lie in the clear.

    Raises:
        BadArtefact: Another pull puts it together just now.
        OSError: It cannot be made.
    """
    target = folder.absolute()
    part = target.with_name(f".{target.name}.{digest[:16]}{_SUFFIX}")
    part.mkdir(parents=True, exist_ok=True)
    handle = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if not _locked(handle):
            raise BadArtefact(str(folder), "another pull writes it just now", "wait for it, or name another folder")
        _sweep(target, part)
        try:
            yield part
        except BaseException as error:
            if stays and not isinstance(error, Tampered):
                raise
            shutil.rmtree(part, ignore_errors=True)
            raise
    finally:
        os.close(handle)


def keep_only(part: Path, paths: Collection[str]) -> None:
    """Delete what is in a part and is no file of the version.

    Raises:
        OSError: It cannot be deleted.
    """
    wanted = {part / path for path in paths}
    for place in sorted(part.rglob("*"), reverse=True):
        if place.is_symlink() or not place.is_dir():
            if place not in wanted or not place.is_file() or place.is_symlink():
                place.unlink()
        elif not any(path.is_relative_to(place) for path in wanted):
            place.rmdir()


def refuse_taken(folder: Path) -> None:
    """Refuse a target that has something in it.

    Raises:
        BadArtefact: It has.
        StorageFailed: It cannot be looked at.
    """
    try:
        taken = folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir())))
    except OSError as error:
        raise StorageFailed(str(folder), error.strerror or str(error)) from error
    if taken:
        raise BadArtefact(str(folder), "it is there already, and no empty folder", "name a folder that is not there")


def _sweep(target: Path, part: Path) -> None:
    for other in target.parent.glob(f".{target.name}.*{_SUFFIX}"):
        if other != part and other.is_dir() and not other.is_symlink():
            with contextlib.suppress(OSError):
                handle = os.open(other, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                try:
                    if _locked(handle):
                        shutil.rmtree(other, ignore_errors=True)
                finally:
                    os.close(handle)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
