"""What was seen here of heads: the greatest one of each name, in a file, so that an older database is noticed."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Collection
from pathlib import Path

from pumice.domain.errors import StorageFailed, Tampered
from pumice.domain.trust.heads import MOST_BYTES
from pumice.store.layout import Layout
from pumice.store.signing.keyring import replace_file

SUFFIX = ".json"


class Witness:
    """The heads that were seen.

    Args:
        layout: The store's folder.
    """

    def __init__(self, layout: Layout) -> None:
        self._folder = layout.heads

    def file(self, model: str) -> Path:
        """The file of a name."""
        return self._folder / f"{model}{SUFFIX}"

    def names(self) -> list[str]:
        """Names of which a head was seen."""
        return sorted(path.name.removesuffix(SUFFIX) for path in self._folder.glob(f"*{SUFFIX}"))

    def read(self, model: str) -> bytes | None:
        """The greatest head of a name that was seen, or None.

        Raises:
            Tampered: The file is larger than any head, or a link.
            StorageFailed: It cannot be read.
        """
        file = self.file(model)
        try:
            with os.fdopen(os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW), "rb") as opened:
                data = opened.read(MOST_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            if file.is_symlink():
                raise Tampered(str(file), "it is a link") from None
            raise StorageFailed(str(file), error.strerror or str(error)) from error
        if len(data) > MOST_BYTES:
            raise Tampered(str(file), f"it is larger than {MOST_BYTES} bytes")
        return data

    def owns(self, path: Path, names: Collection[str]) -> bool:
        """Whether a file is the head of a name, or one that is being written."""
        part = path.parent == self._folder and path.name.startswith(".") and path.suffix == ".part"
        return part or (path.name.removesuffix(SUFFIX) in names and path == self.file(path.name.removesuffix(SUFFIX)))

    def remember(self, model: str, body: bytes, newer: Callable[[bytes | None], bool]) -> None:
        """Keep a head if it is newer than the one that is there, one process after the other.

        Args:
            model: The name.
            body: The head.
            newer: Whether it is newer than what is there.

        Raises:
            StorageFailed: It cannot be written.
        """
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise StorageFailed(str(self._folder), error.strerror or str(error)) from error
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            if newer(self.read(model)):
                replace_file(self.file(model), body)
        finally:
            os.close(folder)
