"""Keys in files, ``file:PATH``. The file is for its owner alone, or root's and for its group to read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from pumice.domain.errors import BadSetting
from pumice.store.layout import sync_folder
from pumice.store.seal_keys.base import LocalKey, from_text, new_text

_MOST_BYTES = 4096


def read(path: str) -> LocalKey:
    """Read a key from a file.

    Raises:
        BadSetting: It is not there, others may read it, or it holds no key.
    """
    place = Path(path).expanduser()
    origin = f"seal_key: 'file:{path}'"
    allowed = "a file of its owner with a key; `pumice models seal-key FILE` makes one"
    try:
        with place.open("rb") as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode):
                raise BadSetting(origin, "something that is no file", allowed)
            _check_owner(about, origin)
            text = file.read(_MOST_BYTES)
    except OSError as error:
        raise BadSetting(origin, f"a file that cannot be read ({error.strerror})", allowed) from None
    return from_text(text, origin)


def create(path: Path) -> LocalKey:
    """Make a key in a new file.

    Raises:
        BadSetting: The file is there already, or cannot be made.
    """
    text = new_text()
    allowed = "a file that is not there yet, in a folder that may be written to"
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(f"{text}\n")
            file.flush()
            os.fsync(handle)
        sync_folder(path.absolute().parent)
    except OSError as error:
        raise BadSetting("FILE", f"'{path}' ({error.strerror})", allowed) from None
    return from_text(text.encode(), str(path))


def _check_owner(about: os.stat_result, origin: str) -> None:
    """As PostgreSQL does with its server's key: root's file may be given to a group."""
    root = about.st_uid == 0
    if about.st_uid not in {os.geteuid(), 0}:
        raise BadSetting(origin, "a file of another user", "one of this user, or of root")
    if about.st_mode & (0o037 if root else 0o077):
        mode = f"{stat.S_IMODE(about.st_mode):o}"
        raise BadSetting(origin, f"a file that others may use (mode {mode})", "mode 600: chmod 600 FILE")
