"""The store's folder in the home.

store/packs/ab/abcd….pack      chunks, entered in the database
store/incoming/….pack          a pack that a push writes; nobody else reads it
store/heads/NAME.json          the greatest signed head of a name that was seen here
store/owners/….lock            locks of pushes and pulls that are under way
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

PACK_SUFFIX = ".pack"


class Layout:
    """Paths of a store; nothing is made before it is used.

    Args:
        home: The home.
    """

    def __init__(self, home: Path) -> None:
        self.root = home / "store"
        self.packs = self.root / "packs"
        self.incoming = self.root / "incoming"
        self.heads = self.root / "heads"

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

    def files(self) -> Iterator[Path]:
        """Every file of packs, whole or not, known or not."""
        for folder in (self.packs, self.incoming):
            yield from (path for path in sorted(folder.rglob("*")) if not path.is_dir() or path.is_symlink())


def sync_folder(folder: Path) -> None:
    """Bring a folder's names to the disk: a file that was renamed into it is there after a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
