"""Files that callers sent to a running server: what `verify` holds them against.

uploads/SERVER/.lock             locked as long as the server lives
uploads/SERVER/FOLDER/…          files of a model
uploads/SERVER/FOLDER.sha256     their SHA-256 by their paths, as JSON; written last, deleted first
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

_SUFFIX = ".sha256"


def list_of(folder: Path) -> Path:
    """Where the digests of a folder stand."""
    return folder.with_name(f"{folder.name}{_SUFFIX}")


def write_list(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write down what the files of a folder are.

    Raises:
        OSError: It cannot be written.
    """
    digests = {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}
    list_of(folder).write_bytes(msgspec.json.encode(digests, order="sorted"))


def changed_uploads(uploads: Path) -> Iterator[str]:
    """Tell what has changed in the folders of all servers of a home; what goes meanwhile has not.

    Args:
        uploads: Where they are.
    """
    for file in sorted(uploads.glob(f"*/*{_SUFFIX}")):
        folder = file.with_name(file.name.removesuffix(_SUFFIX))
        problem = _problem(folder, file)
        if problem and file.exists():
            yield f"{problem}; load the model again"


def _problem(folder: Path, file: Path) -> str:
    try:
        wanted = msgspec.json.decode(file.read_bytes(), type=dict[str, str])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return f"{file}: it is no list of digests"
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if not path.is_dir()}
    for name in sorted(wanted.keys() | found.keys()):
        if name not in wanted:
            return f"{folder / name}: nobody sent it"
        if name not in found or found[name].is_symlink() or _sha256(found[name]) != wanted[name]:
            return f"{folder / name}: it has other bytes than were sent"
    return ""


def _sha256(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError:
        return ""
