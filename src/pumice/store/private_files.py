"""Files for one user alone that are there whole or not at all: secrets, and what is written anew."""

from __future__ import annotations

import os
from pathlib import Path


def write_private(file: Path, data: bytes) -> None:
    """Write a file for its user alone, and bring it to the disk; one that is there is written over.

    Raises:
        OSError: It cannot be written.
    """
    handle = os.open(file, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())


def make_once(file: Path, data: bytes) -> None:
    """Make a file for its user alone unless it is there: the first of several processes wins, nobody reads half of it.

    Args:
        file: The file; its folder is made if it is not there.
        data: What it holds.

    Raises:
        OSError: It cannot be made.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = file.with_name(f"{file.name}.{os.getpid()}")
    write_private(temporary, data)
    try:
        os.link(temporary, file)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
