"""The store's folder in the home, and the packs, which may lie in an object store instead.

store/packs/ab/abcd….pack      chunks, entered in the database
store/incoming/….pack          a pack that a push writes; nobody else reads it
store/heads/NAME.json          the greatest signed head of a name that was seen here
store/owners/….lock            locks of pushes and pulls that are under way
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from pumice.domain.errors import StorageFailed
from pumice.store.remote import RemotePacks

PACK_SUFFIX = ".pack"


class Layout:
    """Paths of a store; nothing is made before it is used.

    Args:
        home: The home.
        remote: The object store that has the packs; left out: they are in the home.
    """

    def __init__(self, home: Path, remote: RemotePacks | None = None) -> None:
        self.remote = remote
        self.home = home
        self.root = home / "store"
        self.packs = self.root / "packs"
        self.incoming = self.root / "incoming"
        self.heads = self.root / "heads"

    @property
    def url(self) -> str:
        """Where the packs are, if not in the home."""
        return self.remote.url if self.remote else ""

    def make(self) -> None:
        """Make the folders, readable for their user alone.

        Raises:
            OSError: They cannot be made.
        """
        for folder in (self.packs, self.incoming):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def pack(self, pack: str) -> Path:
        """The file of a pack."""
        return self.packs / pack[:2] / f"{pack}{PACK_SUFFIX}"

    def files(self) -> dict[Path, int]:
        """Every file of packs, whole or not, known or not, with its length (bytes).

        A pack in an object store has the path that it would have in the home.

        Raises:
            StorageFailed: They cannot be listed.
        """
        folders = (self.incoming,) if self.remote else (self.packs, self.incoming)
        found = dict(entry for folder in folders for entry in _files(folder))
        return found | {self.root / name: size for name, size in (self.remote.every() if self.remote else {}).items()}

    def settle(self, file: Path, told: Callable[[int], None]) -> None:
        """Bring a whole pack from `incoming` to its place.

        Args:
            file: The pack; its name is its id.
            told: Told now and then how many bytes are there, if that takes long.

        Raises:
            OSError: It could not be moved.
            StorageFailed: It could not be uploaded.
        """
        if self.remote:
            self.remote.publish(file, file.stem, told)
            return
        target = self.pack(file.stem)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.rename(target)
        for folder in (target.parent, self.packs):
            sync_folder(folder)

    def size(self, pack: str) -> int:
        """Length of a pack (bytes).

        Raises:
            OSError: It is not there, or cannot be looked at.
            StorageFailed: The object store does not tell.
        """
        return self.remote.size(pack) if self.remote else self.pack(pack).stat().st_size

    def read(self, pack: str, start: int, size: int) -> bytes:
        """Read a part of a pack; less than was asked for if it ends before.

        Raises:
            OSError: It is not there, or cannot be read.
            StorageFailed: The object store does not give it.
        """
        if self.remote:
            return self.remote.read(pack, start, size)
        with self.pack(pack).open("rb") as file:
            file.seek(start)
            return file.read(size)

    def others(self) -> Iterator[Path]:
        """Every other file of the store's folder but locks: heads, and what does not belong there."""
        for path in sorted(self.root.rglob("*")):
            inside = path.relative_to(self.root)
            lock = inside.parts[0] == "owners" and path.suffix == ".lock"
            if inside.parts[0] not in {"packs", "incoming"} and not lock and (not path.is_dir() or path.is_symlink()):
                yield path

    def delete(self, path: Path) -> None:
        """Delete a file that `files` told of, or `pack`.

        Raises:
            StorageFailed: It could not be deleted.
        """
        if self.remote and path.is_relative_to(self.packs):
            self.remote.delete(path.relative_to(self.root).as_posix())
            return
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StorageFailed(str(path), error.strerror or str(error)) from error


def _files(folder: Path) -> Iterator[tuple[Path, int]]:
    for path in sorted(folder.rglob("*")):
        if not path.is_dir() or path.is_symlink():
            with contextlib.suppress(FileNotFoundError):  # it has just come to its place, or was given up
                yield path, path.lstat().st_size


def sync_folder(folder: Path) -> None:
    """Bring a folder's names to the disk: a file that was renamed into it is there after a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
