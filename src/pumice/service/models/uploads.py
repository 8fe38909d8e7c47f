"""The files that callers of ``load`` send: a folder for each call, which goes with the model."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from pumice.domain.errors import StorageFailed
from pumice.store.uploaded import list_of, write_list

_LOCK = ".lock"


class Uploads:
    """The folders of one server. All calls block, so they are not for the event loop.

    Args:
        place: Where the servers of a home have theirs; it need not be there.
    """

    def __init__(self, place: Path) -> None:
        self._place = place
        self._own: Path | None = None
        self._lock = -1

    def holds(self, path: Path) -> bool:
        """Whether a file or folder was sent by a caller of this server."""
        return self._own is not None and path.resolve().is_relative_to(self._own.resolve())

    def store(self, model: str, files: Mapping[str, bytes]) -> Path:
        """Write the files of a model into a fresh folder.

        Args:
            model: Name of the model.
            files: Content by path; the paths are checked (`pumice.service.models.wanted`).

        Raises:
            StorageFailed: The disk does not take them, or one path is a folder of another.
        """
        try:
            own = self._own or self._open()
            # a name may hold anything; the folder's own need only be ours
            folder = Path(tempfile.mkdtemp(prefix=f"{hashlib.sha256(model.encode()).hexdigest()[:16]}-", dir=own))
        except OSError as error:
            raise StorageFailed(str(self._place), error.strerror or str(error)) from None
        try:
            for path, content in files.items():
                target = folder / path
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("xb") as file:
                    file.write(content)
            write_list(folder, files)
        except OSError as error:
            self.drop(folder)
            raise StorageFailed(f"the files of model '{model}'", error.strerror or str(error)) from None
        return folder

    def drop(self, folder: Path) -> None:
        """Delete a folder that `store` made; do nothing with any other."""
        if self._own is not None and folder.parent == self._own:
            list_of(folder).unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Delete all."""
        if self._own is not None:
            shutil.rmtree(self._own, ignore_errors=True)
            os.close(self._lock)
            self._own = None

    def _open(self) -> Path:
        self._place.mkdir(parents=True, exist_ok=True, mode=0o700)
        for left in self._place.iterdir():
            self._sweep(left)
        own = Path(tempfile.mkdtemp(dir=self._place))
        self._lock = os.open(own / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        # held as long as the process lives, so that another server of this home knows
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._own = own
        return own

    @staticmethod
    def _sweep(folder: Path) -> None:
        """Delete what a server that was killed has left."""
        try:
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return  # it is being made, or not ours
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return
        else:
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)
