"""The files of a model before it is pushed: which ones there are, and which are refused."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pumice.domain.errors import BadArtefact
from pumice.domain.store.names import check_path, is_left_out


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that is to be stored.

    Attributes:
        path: Its path inside the model, with ``/`` between the parts.
        place: Where it is read.
        size: Its length when it was looked at (bytes).
        content: Its bytes, where it lies nowhere: a page of memory at most.
    """

    path: str
    place: Path
    size: int
    content: bytes | None = None

    def open(self) -> io.FileIO:
        """Open it for reading, without a buffer; it has a descriptor.

        Raises:
            OSError: It cannot be opened.
        """
        if self.content is None:
            return io.FileIO(self.place)
        reading, writing = os.pipe()
        with io.FileIO(writing, "w") as sink:
            sink.write(self.content)
        return io.FileIO(reading)


def made_file(path: str, content: bytes) -> SourceFile:
    """A file that lies nowhere yet."""
    return SourceFile(check_path(path), Path(path), len(content), content)


def sha256_of(file: SourceFile) -> str:
    """Digest of a file, in hex.

    Raises:
        BadArtefact: It cannot be read.
    """
    try:
        if file.content is not None:
            return hashlib.sha256(file.content).hexdigest()
        with file.open() as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise BadArtefact(str(file.place), f"it cannot be read: {error.strerror}", "mend its permissions") from None


def files_of(folder: Path) -> list[SourceFile]:
    """List the files of a folder and of those in it, ordered by path. Folders without files are not kept.

    What `is_left_out` names is not listed. A link to a file inside is followed, and stored as that file. Links to
    folders are not, since they may lead in a circle.

    Raises:
        BadArtefact: A link leads out of the folder, to a folder, or to nothing; or there is something that is no file.
        MalformedInput: A name cannot be kept on every system.
        OSError: A folder cannot be read.
    """
    root = folder.resolve()
    return sorted(_walk(root, root), key=lambda file: file.path)


def single_file(path: Path, folder: Path) -> SourceFile:
    """One file of a folder.

    Raises:
        BadArtefact: It leads out of the folder, or is no file.
        MalformedInput: Its name cannot be kept on every system.
        OSError: It cannot be read.
    """
    root = folder.resolve()
    return _seen(path if path.is_absolute() else root / path, root, path.absolute().relative_to(folder.absolute()))


def _walk(folder: Path, root: Path) -> Iterator[SourceFile]:
    with os.scandir(folder) as entries:
        found = [entry for entry in entries if not is_left_out(entry.name)]
    for entry in found:
        place = Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(place, root)
        else:
            yield _seen(place, root, place.relative_to(root))


def _seen(place: Path, root: Path, inside: Path) -> SourceFile:
    path = check_path(inside.as_posix())
    if place.is_symlink() and not place.resolve().is_relative_to(root):
        raise BadArtefact(str(place), "a link that leads out of the model's folder", "copy the file into the folder")
    try:
        about = place.stat()
    except FileNotFoundError:
        raise BadArtefact(str(place), "there is no such file, or a link to nothing", "take it out") from None
    if not stat.S_ISREG(about.st_mode):
        raise BadArtefact(str(place), "neither a file nor a folder, or a link to a folder", "take it out")
    return SourceFile(path, place, about.st_size)
